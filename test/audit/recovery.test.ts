import { appendFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { denial, loaded, newFolder, openLog, recordsOf, segmentsOf, writtenTrail } from "./support.ts";

const sha256 = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");
const typesOf = (dir: string): string[] => recordsOf(dir).map(({ type }) => type);

/** A trail whose last run did not close it: AuditOpened and `count` events. No checkpoint covers what is then cut: none would have been signed. */
async function abandonedTrail(count: number): Promise<string> {
  const dir = await writtenTrail(count, { checkpoints: false });
  const [path = ""] = segmentsOf(dir);
  const text = readFileSync(path, "latin1");
  truncateSync(path, text.lastIndexOf("\n", text.length - 2) + 1);
  return dir;
}

/** Lines with the bytes that are none left out; for folders where a torn tail was described. */
function wholeRecords(dir: string): { type: string; seq: number; reason?: string; details?: Record<string, unknown> }[] {
  return segmentsOf(dir).flatMap((path) => readFileSync(path, "latin1").split("\n")).flatMap((line) => {
    try {
      return [JSON.parse(line) as { type: string; seq: number }];
    } catch {
      return [];
    }
  });
}

describe("an unclean end", () => {
  test("is said in the next opening, and the chain goes on", async () => {
    const dir = await abandonedTrail(2);
    const log = await openLog(dir);
    await log[Symbol.asyncDispose]();
    expect(typesOf(dir)).toEqual(["AuditOpened", "ModelLoaded", "ModelLoaded", "AuditOpened", "AuditClosed"]);
    expect(recordsOf(dir)[3]).toMatchObject({ seq: 3, reason: "AFTER_UNCLEAN_END", details: { previous: "unclean", records: 3 } });
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, recovered: 0 });
  });

  test("an empty segment is used", async () => {
    const dir = newFolder();
    mkdirSync(join(dir, "log"), { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, "log", "00000000000000000000.jsonl"), "");
    const log = await openLog(dir);
    await log[Symbol.asyncDispose]();
    expect(recordsOf(dir)[0]).toMatchObject({ seq: 0, type: "AuditOpened", details: { previous: "none" } });
  });

  test("between a full segment and the first record of the next one is finished", async () => {
    const dir = await writtenTrail(60, { segmentBytes: 16_384, checkpoints: false });
    const paths = segmentsOf(dir);
    for (const path of paths.slice(2)) rmSync(path);
    truncateSync(paths[1] ?? "", 0);
    const log = await openLog(dir);
    await log[Symbol.asyncDispose]();
    const records = recordsOf(dir);
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i));
    expect(records.slice(-3)).toMatchObject([{ type: "AuditRecovered", reason: "UNFINISHED" }, { type: "AuditOpened" }, { type: "AuditClosed" }]);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, segments: 2 });
  });
});

describe("a torn tail", () => {
  test("at every byte of the last line is described, left as it is, and the chain goes on behind it", async () => {
    const source = await abandonedTrail(1);
    const text = readFileSync(segmentsOf(source)[0] ?? "", "latin1");
    const start = text.lastIndexOf("\n", text.length - 2) + 1;
    for (let end = start + 1; end < text.length; end += 1) {
      const dir = newFolder();
      mkdirSync(join(dir, "log"), { recursive: true, mode: 0o700 });
      const torn = join(dir, "log", "00000000000000000000.jsonl");
      writeFileSync(torn, text.slice(0, end), "latin1");
      const log = await AuditLog.open(dir);
      await log[Symbol.asyncDispose]();
      const records = wholeRecords(dir);
      const details = { segment: "00000000000000000000.jsonl", offset: start, len: end - start, sha256: sha256(text.slice(start, end)) };
      const recovered = records.find(({ type }) => type === "AuditRecovered");
      if (recovered?.seq !== 1) expect({ end, recovered }).toMatchObject({ recovered: { seq: 1 } });
      expect(recovered).toMatchObject({ reason: "TORN", details });
      expect(readFileSync(torn, "latin1")).toBe(text.slice(0, end));
      expect(await verifyTrail(dir)).toMatchObject({ ok: true, recovered: 1, closed: true, records: 4 });
      rmSync(dir, { recursive: true });
    }
  }, 120_000);

  test("is torn for the verifier until then", async () => {
    const dir = await abandonedTrail(1);
    appendFileSync(segmentsOf(dir)[0] ?? "", '{"v":1,"origin"');
    expect(await verifyTrail(dir)).toMatchObject({ ok: false, damage: { kind: "torn", seq: 2 } });
  });

  test.each([["zeros", Buffer.alloc(5_000)], ["garbage lines", Buffer.from("\n\ngarbage\n\0\n")], ["3 MB", Buffer.alloc(3_000_000, "x")]])("of %s is described", async (_, bytes) => {
    const dir = await abandonedTrail(1);
    appendFileSync(segmentsOf(dir)[0] ?? "", bytes);
    const log = await openLog(dir);
    await log[Symbol.asyncDispose]();
    expect(wholeRecords(dir).find(({ type }) => type === "AuditRecovered")).toMatchObject({ details: { len: bytes.length, sha256: sha256(bytes) } });
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, recovered: 1 });
  });

  test("that changes after it was described is damage", async () => {
    const dir = await abandonedTrail(1);
    const [torn = ""] = segmentsOf(dir);
    appendFileSync(torn, '{"v":1,"ori');
    const log = await openLog(dir);
    await log[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true });
    const text = readFileSync(torn, "latin1");
    for (const changed of [`${text}x`, text.slice(0, -1), `${text.slice(0, -1)}X`, `${text}\n`]) {
      writeFileSync(torn, changed, "latin1");
      expect(await verifyTrail(dir)).toMatchObject({ ok: false, damage: { kind: "torn", seq: 2 } });
    }
  });

  test("twice in a row is described twice", async () => {
    const dir = await abandonedTrail(1);
    for (const tail of ["first", "second"]) {
      appendFileSync(segmentsOf(dir).at(-1) ?? "", tail);
      const log = await openLog(dir);
      await log.emit(denial());
      await log[Symbol.asyncDispose]();
    }
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, recovered: 2, segments: 3 });
  });
});

describe("damage", () => {
  async function damagedTrail(): Promise<string> {
    const dir = await writtenTrail(5);
    const [path = ""] = segmentsOf(dir);
    writeFileSync(path, readFileSync(path, "latin1").replace('"corr":"c-2"', '"corr":"c-X"'), "latin1");
    return dir;
  }

  test("in the last segment refuses the opening, and changes nothing", async () => {
    const dir = await damagedTrail();
    const before = readFileSync(segmentsOf(dir)[0] ?? "");
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE", reason: "damaged", message: expect.stringContaining("record 3 is changed") as string });
    expect(segmentsOf(dir)).toHaveLength(1);
    expect(readFileSync(segmentsOf(dir)[0] ?? "")).toEqual(before);
    // The folder is free again.
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ reason: "damaged" });
  });

  test("can be left behind by force, which is recorded and stays visible", async () => {
    const dir = await damagedTrail();
    const log = await openLog(dir, { force: true });
    await log.emit(denial());
    await log[Symbol.asyncDispose]();
    const forced = recordsOf(dir).find(({ type }) => type === "AuditDamageForced");
    expect(forced).toMatchObject({ seq: 7, sev: "CRITICAL", details: { seq: 3, kind: "changed" } });
    expect(await verifyTrail(dir)).toMatchObject({ ok: false, damage: { seq: 3, kind: "changed" } });
    // From here on it opens like any other.
    const again = await openLog(dir);
    await again.emit(loaded());
  });

  test("a later version is refused, by force too", async () => {
    const dir = await writtenTrail(1);
    const [path = ""] = segmentsOf(dir);
    writeFileSync(path, readFileSync(path, "latin1").replaceAll('{"v":1,', '{"v":2,'), "latin1");
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ reason: "version", message: expect.stringContaining("later version") as string });
    await expect(AuditLog.open(dir, { force: true })).rejects.toMatchObject({ reason: "version" });
  });

  test("a deleted first line, a deleted segment in the middle: found when their segment is the last or by the verifier", async () => {
    const dir = await writtenTrail(3);
    const [path = ""] = segmentsOf(dir);
    writeFileSync(path, readFileSync(path, "latin1").replace(/^[^\n]*\n/, ""), "latin1");
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ reason: "damaged" });
  });
});
