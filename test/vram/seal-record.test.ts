/** A seal's record, checked later and elsewhere by whoever has the secret. */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { checkSealRecord } from "../../lib/vram/seal-record.ts";
import type { SealRecord } from "../../lib/vram/seal-record.ts";
import { cli, line } from "../cli/support.ts";
import { tinyModel } from "../fixtures/models.mjs";
import { builtDouble, DOUBLE_MS_MAX, installedDouble, onTheDouble } from "../support/driver-double.ts";
import { folder, recordsOf } from "../support/gate.ts";

const SECRET = Buffer.from("a secret that is longer than thirty-two bytes, for it may be");

interface Sealed {
  readonly derived: string;
  readonly own: string;
  readonly said: unknown;
}

let sealing: Promise<Sealed> | undefined;

/** Sealed in a process that is gone, under the secret and under the process's own key; and what that process said of each. */
function sealed(): Promise<Sealed> {
  sealing ??= onTheDouble(`
    const key = Buffer.from("${SECRET.toString("base64")}", "base64");
    const derived = await ModelLoader.open({ root: join(home, "models"), audit: "disabled", seals: { key } });
    const [ours, own] = [(await derived.seal("m.gguf", { policy: { slowFactor: 1000 } })).record, (await loader.seal("m.gguf")).record];
    tell(JSON.stringify(ours));
    tell(JSON.stringify(own));
    const verdict = async (record, options) => (await caught(checkSealRecord(record, options))).value?.mac === record.mac;
    tell([await verdict(own), await verdict(ours), await verdict(ours, { key }), await verdict(own, { key })]);
  `).then(([derived, own, said]) => ({ derived: derived as string, own: own as string, said }));
  return sealing;
}

beforeAll(async () => { await builtDouble(); }, DOUBLE_MS_MAX);

async function parsed(): Promise<Record<string, unknown>> {
  return JSON.parse((await sealed()).derived) as Record<string, unknown>;
}

describe("a seal record", () => {
  test("is believed under the key it was sealed under, and under no other", async () => {
    expect((await sealed()).said).toEqual([true, false, true, false]);
  });

  test("is checked in another process by whoever has the secret, as JSON or as it was", async () => {
    const record: SealRecord = await checkSealRecord(await parsed(), { key: SECRET });
    expect(JSON.stringify(record)).toBe((await sealed()).derived);
    expect(record.sealedAt).toBeInstanceOf(Date);
    await expect(checkSealRecord(record, { key: SECRET })).resolves.toEqual(record);
    await expect(checkSealRecord(record, { key: randomBytes(32) })).rejects.toMatchObject({ name: "VramError", code: "VRAM_RECORD_INVALID", severity: "CRITICAL", retriable: false });
    // This process's own key is nobody else's.
    await expect(checkSealRecord(JSON.parse((await sealed()).own))).rejects.toMatchObject({ code: "VRAM_RECORD_INVALID" });
  });

  test("of which anything was changed is none", async () => {
    const flip = (hex: unknown): string => `${String(hex).startsWith("0") ? "1" : "0"}${String(hex).slice(1)}`;
    const record = await parsed();
    const [range] = record["ranges"] as { allocationId: string; offset: number; bytes: number }[];
    const changes: Record<string, unknown> = {
      version: 2, part: 2, parts: 2, shardId: flip(record["shardId"]), backend: "vulkan", deviceUuid: String(record["deviceUuid"]).replace(/.$/u, (digit) => (digit === "0" ? "1" : "0")),
      pci: "0000:66:00.0", driver: "551", kernel: flip(record["kernel"]), bootId: "another", root: flip(record["root"]), sha256: flip(record["sha256"]),
      access: "read-write", policy: flip(record["policy"]), sealedAt: new Date(0), mac: flip(record["mac"]),
    };
    const ranges = [[], [range, range], [{ ...range, offset: 1 }], [{ ...range, bytes: 1 }], [{ ...range, allocationId: "77" }], [{ offset: range?.offset, bytes: range?.bytes }]];
    const tampered = [...Object.entries(changes).map(([name, value]) => ({ ...record, [name]: value })), ...ranges.map((value) => ({ ...record, ranges: value }))];
    expect(Object.keys(changes).sort()).toEqual(Object.keys(record).filter((name) => name !== "ranges").sort());
    for (const one of tampered) await expect(checkSealRecord(one, { key: SECRET }), JSON.stringify(one)).rejects.toMatchObject({ code: "VRAM_RECORD_INVALID" });
  });

  test("that has another form is named by what is wrong, and never aborts", async () => {
    const record = await parsed();
    const without = (name: string): object => Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
    const malformed: [unknown, string][] = [
      [undefined, "form"], [null, "form"], ["record", "form"], [{}, "shardId"], [[], "shardId"], [without("mac"), "mac"], [{ ...record, mac: 7 }, "mac"], [{ ...record, mac: "zz" }, "mac"],
      [{ ...record, version: 1.5 }, "version"], [{ ...record, version: -1 }, "version"], [{ ...record, part: "1" }, "part"], [{ ...record, parts: 2 ** 32 }, "parts"], [{ ...record, pci: null }, "pci"], [{ ...record, pci: "x" }, "pci"], [{ ...record, backend: "metal" }, "backend"],
      [{ ...record, sealedAt: "yesterday" }, "sealedAt"], [{ ...record, sealedAt: new Date(NaN) }, "sealedAt"], [{ ...record, ranges: {} }, "ranges"], [{ ...record, ranges: [null] }, "ranges"],
      [{ ...record, ranges: [{ offset: -1, bytes: 1 }] }, "ranges"], [{ ...record, ranges: [{ offset: 0, bytes: 2 ** 60 }] }, "ranges"], [{ ...record, ranges: [{ offset: 0, bytes: 1, allocationId: "+1x" }] }, "ranges"],
      [{ ...record, kernel: String(record["kernel"]).toUpperCase() }, "kernel"], [{ ...record, deviceUuid: "GPU-" }, "deviceUuid"], [{ ...record, access: "all" }, "access"],
    ];
    for (const [one, field] of malformed) {
      await expect(checkSealRecord(one, { key: SECRET })).rejects.toMatchObject({ code: "VRAM_RECORD_INVALID", message: expect.stringContaining(field === "form" ? "its form" : field) as string });
    }
    for (const options of [{ key: "x" }, { key: SECRET, keyFile: "y" }, { secret: SECRET }, { key: Buffer.alloc(8) }, { audit: true }]) {
      await expect(checkSealRecord(record, options as object)).rejects.toBeInstanceOf(TypeError);
    }
  });

  test("that is none stands in the trail before anybody hears of it", async () => {
    const home = await folder();
    const audit = await AuditLog.open(join(home, "audit"));
    const record: Record<string, unknown> = { ...(await parsed()), mac: "00".repeat(32) };
    await expect(checkSealRecord(record, { key: SECRET, audit })).rejects.toMatchObject({ code: "VRAM_RECORD_INVALID" });
    await expect(checkSealRecord("?", { key: SECRET, audit })).rejects.toMatchObject({ code: "VRAM_RECORD_INVALID" });
    const found = (await recordsOf(join(home, "audit"))).filter(({ type }) => type === "SealVerificationFailed");
    expect(found).toMatchObject([
      { sev: "CRITICAL", outcome: "denied", action: "vram.checkRecord", reason: "VRAM_RECORD_INVALID", details: { shardId: record["shardId"], expectedDigest: record["root"] } },
      { sev: "CRITICAL", details: { shardId: "unknown", expectedDigest: "unknown" } },
    ]);
    await audit[Symbol.asyncDispose]();
    const error = await checkSealRecord(record, { key: SECRET, audit }).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "VRAM_RECORD_INVALID", auditError: { code: "AUDIT_UNAVAILABLE" } });
  });
});

describe("on the command line", () => {
  test("a model is sealed under a secret in a file, and its record checked by it, without a GPU", { timeout: 60_000 }, async () => {
    const [home, env] = [await folder(), await installedDouble()];
    tinyModel({ blocks: 4 }).save(join(home, "m.gguf"));
    const key = join(home, "seal.key");
    const seal = await cli(["vram", "seal", "m.gguf", "--json", "--seal-key", key], home, env);
    expect([seal.code, statSync(key).mode & 0o777, statSync(key).size]).toEqual([0, 0o600, 32]);
    writeFileSync(join(home, "seal.json"), seal.stdout);
    const { record } = line(seal.stdout) as unknown as { record: Record<string, unknown> };
    writeFileSync(join(home, "record.json"), JSON.stringify(record));
    for (const name of ["seal.json", "record.json"]) {
      const good = await cli(["vram", "check-record", name, "--seal-key", key, "--json"], home);
      expect([good.code, line(good.stdout)]).toMatchObject([0, { ok: true, record }]);
    }
    expect((await cli(["vram", "check-record", "record.json", "--seal-key", key], home)).stdout).toMatch(/^sealed {3}shard [0-9a-f]{32} at .*\n(?: {2}.*\n)+$/u);
    writeFileSync(join(home, "bad.json"), JSON.stringify({ ...record, root: "00".repeat(32) }));
    const bad = await cli(["vram", "check-record", "bad.json", "--seal-key", key, "--json", "--audit", "audit"], home);
    expect([bad.code, line(bad.stdout)]).toMatchObject([1, { ok: false, code: "VRAM_RECORD_INVALID" }]);
    expect((await recordsOf(join(home, "audit"))).map(({ type }) => type)).toContain("SealVerificationFailed");
    writeFileSync(join(home, "text"), "no JSON");
    expect((await cli(["vram", "check-record", "text", "--seal-key", key], home)).code).toBe(1);
    // A secret that is missing is not made: every record would then be none.
    const lost = await cli(["vram", "check-record", "record.json", "--seal-key", join(home, "lost.key"), "--json"], home);
    expect([lost.code, line(lost.stdout), existsSync(join(home, "lost.key"))]).toMatchObject([3, { code: "SEAL_KEY" }, false]);
    chmodSync(key, 0o644);
    const open = await cli(["vram", "seal", "m.gguf", "--json", "--seal-key", key], home, env);
    expect([open.code, line(open.stdout)]).toMatchObject([3, { code: "IO", message: expect.stringContaining("open to others") as string }]);
    for (const args of [["record.json"], ["--seal-key", key], ["a", "b", "--seal-key", key], ["none.json", "--seal-key", key]]) {
      expect((await cli(["vram", "check-record", ...args], home)).code).toBe(2);
    }
  });
});
