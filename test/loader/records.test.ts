/** Records of full verifications: the next load is proven by tiles, and no bad record is ever believed. */
import { createHash, createSecretKey, generateKeyPairSync, randomBytes } from "node:crypto";
import {
  chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync, truncateSync, unlinkSync,
  writeFileSync, writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { ModelLoader } from "../../lib/index.ts";
import type { RecordsOptions } from "../../lib/index.ts";
import { sparseModel } from "../fixtures/models.mjs";
import { mountFull } from "../support/full-disk.ts";
import { folder, gate, refusal } from "../support/gate.ts";
import type { AuditRecord, Gate } from "../support/gate.ts";

const TILE = 256 * 1024;
const bytes = sparseModel(5 * TILE + 64).bytes();
bytes[bytes.length - 7] = 1;
const sha256 = createHash("sha256").update(bytes).digest("hex");
const key = randomBytes(32);

async function recording(options: Partial<RecordsOptions> = {}): Promise<Gate & { readonly recordFile: string; readonly recordFolder: string }> {
  const recordFolder = join(await folder(), "records");
  const made = await gate({ records: { folder: recordFolder, key, ...options } });
  writeFileSync(join(made.root, "m.gguf"), bytes);
  return { ...made, recordFolder, recordFile: join(recordFolder, `${sha256}.record`) };
}

/** A model that nobody holds may be collected, and its end recorded, at any time; and one whose file is written to loses its guard. */
function lastVerdict(trail: readonly AuditRecord[]): AuditRecord | undefined {
  return trail.findLast(({ type }) => type !== "ModelUnloaded" && type !== "GuardBroken");
}

function overwrite(path: string, at: number, byte: number): void {
  const fd = openSync(path, "r+");
  writeSync(fd, Uint8Array.of(byte), 0, 1, at);
  closeSync(fd);
}

/** The warnings of this process from now on, less what others caused. */
function warnings(): string[] {
  const seen: string[] = [];
  const listen = (warning: Error & { code?: string }): void => { seen.push(`${warning.code ?? ""} ${warning.message}`); };
  process.on("warning", listen);
  onTestFinished(() => { process.off("warning", listen); });
  return seen;
}

/** A file that changed less than two seconds before it was verified is not told by its identity. */
const SETTLED_MS = 2100;

describe("the identity of an inode", () => {
  test("proves a load where the records' option says so, and is named on the model, in the trail and in the metrics", async () => {
    const { loader, records, metric } = await recording({ identity: true });
    await sleep(SETTLED_MS);
    const first = await loader.load("m.gguf", { sha256 });
    const second = await loader.load("m.gguf", { sha256 });
    expect({ first: first.proof.by, second: second.proof.by }).toEqual({ first: "sha256", second: "identity" });
    expect(second).toMatchObject({ sha256, blake3: first.blake3, guard: "leased", digestExpected: true });
    expect([...second.gguf.tensors]).toEqual([...first.gguf.tensors]);
    expect(Buffer.from(await second.read(bytes.length - 9, 9))).toEqual(Buffer.from(bytes.subarray(-9)));
    const { details } = (await records()).at(-1) ?? {};
    expect(details).toMatchObject({ proof: "identity", recordedAt: second.proof.recordedAt?.toISOString(), blake3: first.blake3, guard: "leased" });
    expect(await metric("model_loader_records_used_total")).toBe(1);
    expect((await loader.load("m.gguf", { sha256, flatDigest: "always" })).proof.by).toBe("sha256");
  });

  test("is lost by any write, which then is found", async () => {
    const { root, loader } = await recording({ identity: true });
    await sleep(SETTLED_MS);
    await (await loader.load("m.gguf", { sha256 }))[Symbol.asyncDispose]();
    overwrite(join(root, "m.gguf"), bytes.length - 1, 1);
    expect(await refusal(loader.load("m.gguf", { sha256 }))).toMatchObject({ code: "DIGEST_MISMATCH" });
  });

  test("is asked for by true or false", async () => {
    await expect(recording({ identity: "yes" as unknown as boolean })).rejects.toThrow(new TypeError("records.identity must be a boolean, not string"));
  });
});

describe("a recorded verification", () => {
  test("lets the next load be proven by tiles, and says so on the model, in the trail and in the metrics", async () => {
    const { root, loader, records, metric, recordFile } = await recording();
    const before = Date.now();
    const first = await loader.load("m.gguf", { sha256 });
    expect(first.proof).toEqual({ by: "sha256", recordedAt: undefined, recordIgnored: undefined });
    expect(lastVerdict(await records())).toMatchObject({ details: { proof: "sha256", recordStored: true } });
    const second = await loader.load("m.gguf", { sha256 });
    expect(second).toMatchObject({ sha256, blake3: first.blake3, sizeBytes: bytes.length, digestExpected: true, proof: { by: "tiles" } });
    expect(second.proof.recordedAt?.getTime()).toBeGreaterThanOrEqual(before - 1000);
    expect([...second.gguf.tensors]).toEqual([...first.gguf.tensors]);
    expect(lastVerdict(await records())).toMatchObject({
      type: "ModelLoaded", target: { sha256 }, details: { proof: "tiles", recordedAt: second.proof.recordedAt?.toISOString(), blake3: first.blake3 },
    });
    expect(await metric("model_loader_records_stored_total", { outcome: "ok" })).toBe(1);
    expect(await metric("model_loader_records_used_total")).toBe(1);
    expect(statSync(recordFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(root, "m.gguf")).equals(bytes)).toBe(true);
  });

  test("is not used where no digest was promised, nor where the SHA-256 is demanded", async () => {
    const { loader } = await recording();
    await loader.load("m.gguf", { sha256 });
    expect((await loader.load("m.gguf")).proof.by).toBe("sha256");
    expect((await loader.load("m.gguf", { sha256, flatDigest: "always" })).proof.by).toBe("sha256");
    expect((await loader.load("m.gguf", { sha256 })).proof.by).toBe("tiles");
  });

  test("may be made by a load that promised nothing", async () => {
    const { loader } = await recording();
    await loader.load("m.gguf");
    expect((await loader.load("m.gguf", { sha256 })).proof.by).toBe("tiles");
  });

  test("holds for the digest, whatever the file's name, and for another loader with the same key", async () => {
    const { root, loader, recordFolder } = await recording();
    await loader.load("m.gguf", { sha256 });
    renameSync(join(root, "m.gguf"), join(root, "other.gguf"));
    const other = await gate({ root, records: { folder: recordFolder, key: createSecretKey(key) }, threads: 3 });
    expect((await other.loader.load("other.gguf", { sha256 })).proof.by).toBe("tiles");
  });

  test("does not make the format's verdict: another policy judges anew", async () => {
    const { root, loader, recordFolder } = await recording();
    await loader.load("m.gguf", { sha256 });
    const strict = await gate({ root, records: { folder: recordFolder, key }, limits: { tensors: 1, metadataPairs: 1 } });
    expect(await refusal(strict.loader.load("m.gguf", { sha256 }))).toMatchObject({ code: "GGUF_LIMIT_EXCEEDED", sha256 });
  });

  test("serves many loads at once", async () => {
    const { loader, recordFolder } = await recording();
    const models = await Promise.all(Array.from({ length: 24 }, () => loader.load("m.gguf", { sha256 })));
    expect(new Set(models.map((model) => model.sha256))).toEqual(new Set([sha256]));
    expect((await loader.load("m.gguf", { sha256 })).proof.by).toBe("tiles");
    expect(readdirSync(recordFolder)).toEqual([`${sha256}.record`]);
  });
});

describe("a file that differs from its record", () => {
  test.each([0, 2, 5])("is a mismatch at the first bad tile (tile %i)", async (tile) => {
    const { root, loader, records } = await recording();
    await loader.load("m.gguf", { sha256 });
    overwrite(join(root, "m.gguf"), tile * TILE + 5, 0xff);
    const error = await refusal(loader.load("m.gguf", { sha256 }));
    expect(error).toMatchObject({ code: "DIGEST_MISMATCH", severity: "CRITICAL", retriable: false, offset: tile * TILE, expected: sha256 });
    expect(lastVerdict(await records())).toMatchObject({ type: "IntegrityViolation", reason: "DIGEST_MISMATCH", details: { offset: tile * TILE } });
  });

  test("in size is a mismatch too", async () => {
    const { root, loader } = await recording();
    await loader.load("m.gguf", { sha256 });
    truncateSync(join(root, "m.gguf"), bytes.length - 1);
    expect(await refusal(loader.load("m.gguf", { sha256 }))).toMatchObject({ code: "DIGEST_MISMATCH", expected: sha256 });
  });
});

describe("a record that cannot be believed", () => {
  test("is ignored loudly at every byte that was changed and every length that it was cut to, and replaced", async () => {
    const { loader, records, metric, recordFile } = await recording();
    const seen = warnings();
    await loader.load("m.gguf", { sha256 });
    const sound = readFileSync(recordFile);
    // The library's own tests flip every byte.
    const damaged = [
      ...Array.from({ length: sound.length / 16 }, (_, index) => flipped(sound, index * 16 + (index % 16))),
      ...Array.from({ length: sound.length / 64 }, (_, index) => sound.subarray(0, index * 64)),
      Buffer.concat([sound, Buffer.alloc(1)]),
    ];
    for (const bad of damaged) {
      writeFileSync(recordFile, bad);
      expect((await loader.load("m.gguf", { sha256 })).proof.by).toBe("sha256");
    }
    const trail = await records();
    const ignored = trail.filter(({ type }) => type === "VerificationRecordIgnored");
    expect(ignored).toHaveLength(damaged.length);
    expect(new Set(ignored.map(({ reason }) => reason))).toEqual(new Set(["RECORD_FORGED", "RECORD_VERSION", "RECORD_VALUES", "RECORD_LENGTH"]));
    expect(ignored.at(-1)).toMatchObject({ sev: "HIGH", outcome: "info", action: "model.load", target: { path: "m.gguf", expectedSha256: sha256 } });
    expect(trail.filter((record) => record.details?.["recordIgnored"] !== undefined)).toHaveLength(damaged.length);
    const counted = await Promise.all(["forged", "version", "values", "length"].map((reason) => metric("model_loader_records_ignored_total", { reason })));
    expect(counted.reduce((sum, value) => sum + value)).toBe(damaged.length);
    expect(seen.filter((text) => text.startsWith("MODEL_LOADER_RECORD_IGNORED"))).toHaveLength(4);
    expect((await loader.load("m.gguf", { sha256 })).proof.by).toBe("tiles");
  });

  test("was written with another key, for another model, or too long ago", async () => {
    const { root, loader, recordFolder, recordFile } = await recording();
    await loader.load("m.gguf", { sha256 });
    const sound = readFileSync(recordFile);
    const other = sparseModel(6 * TILE).bytes();
    const otherSha256 = createHash("sha256").update(other).digest("hex");
    writeFileSync(join(root, "other.gguf"), other);
    await loader.load("other.gguf", { sha256: otherSha256 });
    const cases: [string, Partial<RecordsOptions>, Uint8Array][] = [
      ["forged", { key: randomBytes(32) }, sound],
      ["other-model", {}, readFileSync(join(recordFolder, `${otherSha256}.record`))],
      ["stale", { maxAgeSeconds: 0 }, sound],
    ];
    for (const [reason, options, record] of cases) {
      writeFileSync(recordFile, record);
      const judge = await gate({ root, records: { folder: recordFolder, key, ...options } });
      expect((await judge.loader.load("m.gguf", { sha256 })).proof.by).toBe("sha256");
      const [ignored, load] = (await judge.records()).filter(({ type }) => type !== "ModelUnloaded").slice(-2);
      expect(ignored).toMatchObject({ type: "VerificationRecordIgnored", sev: reason === "stale" ? "INFO" : "HIGH" });
      expect(load).toMatchObject({ details: { recordIgnored: reason, recordStored: true } });
    }
  });

  test("does not help a changed file past the SHA-256", async () => {
    const { root, loader, records, recordFile } = await recording();
    await loader.load("m.gguf", { sha256 });
    overwrite(recordFile, 100, readFileSync(recordFile).readUInt8(100) ^ 1);
    overwrite(join(root, "m.gguf"), bytes.length - 1, 0xaa);
    const error = await refusal(loader.load("m.gguf", { sha256 }));
    expect(error).toMatchObject({ code: "DIGEST_MISMATCH", expected: sha256 });
    expect(error.actual).toMatch(/^[0-9a-f]{64}$/u);
    expect(lastVerdict(await records())).toMatchObject({ details: { recordIgnored: "forged" } });
  });
});

describe("a record folder that cannot be used", () => {
  const spoilt: [string, (path: string) => void][] = [
    ["can be written by others", (path) => { mkdirSync(path); chmodSync(path, 0o777); }],
    ["is a file", (path) => { writeFileSync(path, ""); }],
    ["is a link", (path) => { mkdirSync(`${path}-target`); symlinkSync(`${path}-target`, path); }],
    ["hangs below a file", (path) => { writeFileSync(path, ""); }],
  ];
  test.each(spoilt)("costs the record and not the load: it %s", async (what, spoil) => {
    const path = join(await folder(), "records");
    spoil(path);
    const seen = warnings();
    const { root, loader, records, metric } = await gate({ records: { folder: what.startsWith("hangs") ? join(path, "below") : path, key } });
    writeFileSync(join(root, "m.gguf"), bytes);
    for (let load = 0; load < 3; load += 1) expect((await loader.load("m.gguf", { sha256 })).proof.by).toBe("sha256");
    expect(lastVerdict(await records())).toMatchObject({ type: "ModelLoaded", details: { recordNotStoredBecause: expect.any(String) as string } });
    expect(await metric("model_loader_records_stored_total", { outcome: "failed" })).toBe(3);
    expect(seen.some((text) => text.startsWith("MODEL_LOADER_RECORD_NOT_STORED"))).toBe(true);
  });
});

test("a record that the disk has no room for costs the record and not the load", async (ctx) => {
  const home = await folder();
  const disk = mountFull(join(home, "full"));
  if (disk === undefined) return ctx.skip("no right to mount a small disk");
  disk.fill();
  const { root, loader, records } = await gate({ records: { folder: join(home, "full"), key } });
  writeFileSync(join(root, "m.gguf"), bytes);
  expect((await loader.load("m.gguf", { sha256 })).proof.by).toBe("sha256");
  expect(lastVerdict(await records())).toMatchObject({ details: { recordNotStoredBecause: expect.stringContaining("space") as string } });
  disk.free();
  expect((await loader.load("m.gguf", { sha256 })).proof.by).toBe("sha256");
  expect((await loader.load("m.gguf", { sha256 })).proof.by).toBe("tiles");
});

describe("the key", () => {
  test("is one for all who open their loaders at once", async () => {
    const home = await folder();
    const keyFile = join(home, "key");
    await Promise.all(Array.from({ length: 8 }, async () => (await ModelLoader.open({ root: home, audit: "disabled", records: { folder: join(home, "r"), keyFile } }))[Symbol.asyncDispose]()));
    expect(readdirSync(home)).toEqual(["key"]);
  });

  test("that was exchanged ends the belief in what the old one wrote, and begins anew", async () => {
    const home = await folder();
    const records = { folder: join(home, "records"), keyFile: join(home, "key") };
    const first = await gate({ records });
    writeFileSync(join(first.root, "m.gguf"), bytes);
    await first.loader.load("m.gguf", { sha256 });
    unlinkSync(records.keyFile);
    const second = await gate({ root: first.root, records });
    const proofs: string[] = [];
    for (let load = 0; load < 2; load += 1) proofs.push((await second.loader.load("m.gguf", { sha256 })).proof.by);
    expect(proofs).toEqual(["sha256", "tiles"]);
    expect((await second.records()).filter(({ reason }) => reason === "RECORD_FORGED")).toHaveLength(1);
  });

  test("is made in its file, private to its owner, and used again", async () => {
    const home = await folder();
    const keyFile = join(home, "key");
    const records = { folder: join(home, "records"), keyFile };
    const first = await gate({ records });
    writeFileSync(join(first.root, "m.gguf"), bytes);
    await first.loader.load("m.gguf", { sha256 });
    expect(readFileSync(keyFile)).toHaveLength(32);
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    const second = await gate({ root: first.root, records });
    expect((await second.loader.load("m.gguf", { sha256 })).proof.by).toBe("tiles");
  });

  test("is refused from a file that others can read, is a link, or is no key", async () => {
    const home = await folder();
    const open = (keyFile: string): Promise<ModelLoader> => ModelLoader.open({ root: home, audit: "disabled", records: { folder: join(home, "r"), keyFile } });
    const spoilt = { open: join(home, "open"), short: join(home, "short"), link: join(home, "link"), folder: join(home, "folder") };
    writeFileSync(spoilt.open, randomBytes(32), { mode: 0o644 });
    writeFileSync(spoilt.short, randomBytes(31), { mode: 0o600 });
    writeFileSync(join(home, "good"), randomBytes(32), { mode: 0o600 });
    symlinkSync(join(home, "good"), spoilt.link);
    mkdirSync(spoilt.folder);
    const shared = join(home, "shared");
    mkdirSync(shared);
    chmodSync(shared, 0o777);
    writeFileSync(join(shared, "key"), randomBytes(32), { mode: 0o600 });
    for (const path of [...Object.values(spoilt), join(home, "missing", "key"), join(shared, "key")]) await expect(open(path)).rejects.toMatchObject({ code: "RECORD_KEY" });
    expect(existsSync(join(home, "r"))).toBe(false);
    await (await open(join(home, "good")))[Symbol.asyncDispose]();
  });

  test("and the other options are parsed before anything is opened", async () => {
    const root = await folder();
    const { privateKey } = generateKeyPairSync("ed25519");
    const wrong: [unknown, RegExp][] = [
      [{ folder: "x" }, /either key or keyFile/u],
      [{ folder: "x", key, keyFile: "y" }, /either key or keyFile/u],
      [{ folder: "", key }, /records\.folder/u],
      [{ folder: 1, key }, /records\.folder/u],
      [{ folder: "x", key: randomBytes(31) }, /32 bytes/u],
      [{ folder: "x", key: privateKey }, /secret/u],
      [{ folder: "x", key: "k".repeat(32) }, /records\.key/u],
      [{ folder: "x", key, maxAgeSeconds: -1 }, /maxAgeSeconds/u],
      [{ folder: "x", key, extra: 1 }, /"extra"/u],
      [{ folder: "x", keyFile: "x/key" }, /outside records\.folder/u],
      [{ folder: "x/", keyFile: "x/../x/a/key" }, /outside records\.folder/u],
      ["x", /records must be an object/u],
    ];
    for (const [records, message] of wrong) {
      await expect(ModelLoader.open({ root, audit: "disabled", records: records as RecordsOptions })).rejects.toThrow(message);
    }
    for (const threads of [0, 33, 1.5, "2"]) await expect(ModelLoader.open({ root, audit: "disabled", threads: threads as number })).rejects.toThrow(/threads/u);
    await expect(ModelLoader.open({ root, audit: "disabled", flatDigest: "sometimes" as "always" })).rejects.toThrow(/flatDigest/u);
  });
});

function flipped(sound: Uint8Array, at: number): Buffer {
  const bad = Buffer.from(sound);
  bad[at] = (bad[at] ?? 0) ^ 1;
  return bad;
}
