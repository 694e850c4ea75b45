/** A trail that is not the one that its own checkpoint signed: refused, told, and continued only by force, under another name. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { NODE_FS } from "../../lib/audit/files.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import { peekCheckpoint } from "../../lib/tlog/checkpoint.ts";
import { denial, linesOf, loaded, newFolder, recordsOf, segmentsOf, writtenTrail } from "./support.ts";

const checkpointText = (dir: string): string => readFileSync(join(dir, "checkpoint"), "utf8");

/** Leaves the first `count` records: what a restored backup of the log alone would hold. */
function cutTo(dir: string, count: number): void {
  const [path = ""] = segmentsOf(dir);
  truncateSync(path, linesOf(dir).slice(0, count).join("\n").length + 1);
}

/** Changes a record and chains all that follow to it anew, as somebody who can write the folder would. */
function rewriteFrom(dir: string, seq: number): void {
  const [path = ""] = segmentsOf(dir);
  const lines = linesOf(dir);
  for (let i = seq; i < lines.length; i += 1) {
    const edited = (lines[i] ?? "").replace('"corr":"c-', '"corr":"x-');
    const prev = createHash("sha256").update(`\0${lines[i - 1] ?? ""}`).digest("hex");
    lines[i] = edited.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${prev}"`);
  }
  writeFileSync(path, `${lines.join("\n")}\n`, "latin1");
}

const tamperings: [string, (dir: string) => void, string][] = [
  ["the last record is gone", (dir) => { cutTo(dir, 303); }, "LOG_BEHIND_CHECKPOINT"],
  ["all but the first record are gone", (dir) => { cutTo(dir, 1); }, "LOG_BEHIND_CHECKPOINT"],
  ["every record is gone", (dir) => { for (const path of segmentsOf(dir)) rmSync(path); }, "LOG_BEHIND_CHECKPOINT"],
  ["records were written anew from the middle on", (dir) => { rewriteFrom(dir, 100); }, "LOG_DIFFERS_FROM_CHECKPOINT"],
  ["records were written anew, and the tiles are gone", (dir) => { rewriteFrom(dir, 100); rmSync(join(dir, "tile"), { recursive: true }); }, "LOG_DIFFERS_FROM_CHECKPOINT"],
  ["the checkpoint is gone", (dir) => { rmSync(join(dir, "checkpoint")); }, "CHECKPOINT_MISSING"],
  ["the checkpoint names fewer records", (dir) => { writeFileSync(join(dir, "checkpoint"), checkpointText(dir).replace("\n304\n", "\n104\n")); }, "CHECKPOINT_REFUSED"],
  ["the checkpoint is empty", (dir) => { writeFileSync(join(dir, "checkpoint"), ""); }, "CHECKPOINT_REFUSED"],
];

async function signedTrail(): Promise<string> {
  const dir = await writtenTrail(302);
  expect(peekCheckpoint(checkpointText(dir)).size).toBe(304);
  return dir;
}

describe.each(tamperings)("a trail of which %s", (_, tamper, reason) => {
  test("is refused in words, told to everybody but the trail, and not changed", async () => {
    const dir = await signedTrail();
    tamper(dir);
    const before = segmentsOf(dir).map((path) => readFileSync(path));
    const [lines, errors]: [string[], unknown[]] = [[], []];
    const registry = new Registry();
    const logger = { error: (details: object) => { errors.push(details); }, warn: () => undefined };
    const options = { registry, logger, emergency: (line: string) => lines.push(line) };
    await expect(AuditLog.open(dir, options)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE", reason: "rolled_back", message: expect.stringContaining("force: true") as string });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ reason: "rolled_back", event: { type: "AuditRollbackDetected", sev: "CRITICAL", outcome: "denied", reason } });
    expect(errors).toHaveLength(1);
    const metrics = await registry.metrics();
    expect(metrics).toContain(`\nmodel_loader_audit_log_size ${linesOf(dir).length}\n`);
    expect(metrics).toContain("\nmodel_loader_audit_healthy 0\n");
    expect(metrics).toContain('\nmodel_loader_audit_critical_emit_failures_total{reason="other"} 1\n');
    expect(segmentsOf(dir).map((path) => readFileSync(path))).toEqual(before);
    // Nothing was learnt from the refusal: the next opening is refused too, and the folder is free.
    await expect(AuditLog.open(dir, { emergency: () => undefined })).rejects.toMatchObject({ reason: "rolled_back" });
  });

  test("goes on by force: the old tree is kept, the new one has another name, and the trail says so once", async () => {
    const dir = await signedTrail();
    tamper(dir);
    const checkpoint = existsSync(join(dir, "checkpoint")) ? checkpointText(dir) : undefined;
    const found = linesOf(dir).length;
    const log = await AuditLog.open(dir, { force: true });
    await log.emit(denial());
    await log[Symbol.asyncDispose]();
    const events = recordsOf(dir).filter(({ type }) => type === "AuditRollbackDetected");
    expect(events).toMatchObject([{ sev: "CRITICAL", outcome: "allowed", reason, details: { foundSize: found, keptIn: "superseded/1" } }]);
    if (reason.startsWith("LOG_")) expect(events).toMatchObject([{ details: { signedSize: 304, signedOrigin: log.origin } }]);
    const kept = join(dir, "superseded/1");
    if (checkpoint !== undefined) expect(checkpointText(kept)).toBe(checkpoint);
    expect(readdirSync(kept)).toContain("vkey");
    const { origin, size } = peekCheckpoint(checkpointText(dir));
    expect([origin, size]).toEqual([`${log.origin}/anew-1`, recordsOf(dir).length]);
    // From here on it opens like any other.
    const again = await AuditLog.open(dir);
    await again[Symbol.asyncDispose]();
    expect(again.origin).toBe(log.origin);
    expect(recordsOf(dir).filter(({ type }) => type === "AuditRollbackDetected")).toHaveLength(1);
    expect(peekCheckpoint(checkpointText(dir)).origin).toBe(origin);
  });
});

describe("a trail that was rolled back", () => {
  test("as a whole, checkpoint and all, is not noticed from its files alone", async () => {
    const dir = await writtenTrail(5);
    cpSync(dir, `${dir}-backup`, { recursive: true });
    const log = await AuditLog.open(dir);
    await log.emit(loaded());
    await log[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
    cpSync(`${dir}-backup`, dir, { recursive: true });
    const restored = await AuditLog.open(dir);
    await restored[Symbol.asyncDispose]();
  });

  test("twice is forced twice, and both old trees are kept", async () => {
    const dir = await signedTrail();
    for (const n of [1, 2]) {
      cutTo(dir, 50);
      const log = await AuditLog.open(dir, { force: true });
      await log[Symbol.asyncDispose]();
      expect(peekCheckpoint(checkpointText(dir)).origin).toBe(`${log.origin}/anew-${n}`);
    }
    expect([1, 2].map((n) => peekCheckpoint(checkpointText(join(dir, `superseded/${n}`))).size)).toEqual([304, 53]);
  });

  test("and died before the force was recorded, has it recorded by the next opening", async () => {
    const dir = await signedTrail();
    cutTo(dir, 50);
    // The new tree has no checkpoint until the record is durable; this log never gets to record anything.
    const broken = { writeSync: () => { throw new Error("the disk is gone"); } };
    await expect(AuditLog.open(dir, { force: true, fs: { ...NODE_FS, ...broken }, emergency: () => undefined })).rejects.toThrow("the disk is gone");
    expect(readdirSync(join(dir, "superseded/1")).sort()).toEqual(["checkpoint", "tile", "vkey"]);
    expect(existsSync(join(dir, "checkpoint"))).toBe(false);
    const log = await AuditLog.open(dir);
    await log[Symbol.asyncDispose]();
    expect(recordsOf(dir).filter(({ type }) => type === "AuditRollbackDetected")).toMatchObject([{ details: { signedSize: 304, foundSize: 50 } }]);
  });
});

describe("damage that is forced", () => {
  test("below the checkpoint leaves the tree as it was signed", async () => {
    const dir = await signedTrail();
    const [path = ""] = segmentsOf(dir);
    writeFileSync(path, readFileSync(path, "latin1").replace('"corr":"c-20"', '"corr":"c-XX"'), "latin1");
    const log = await AuditLog.open(dir, { force: true });
    await log[Symbol.asyncDispose]();
    expect(peekCheckpoint(checkpointText(dir))).toMatchObject({ origin: log.origin, size: 308 });
    expect(existsSync(join(dir, "superseded"))).toBe(false);
  });

  test("above the checkpoint leaves a hole in the tree, and every other record its number", async () => {
    const dir = await signedTrail();
    const log = await AuditLog.open(dir, { checkpoints: false });
    for (let i = 0; i < 20; i += 1) log.emitSync(loaded(`d-${i}`));
    await log[Symbol.asyncDispose]();
    const [path = ""] = segmentsOf(dir);
    writeFileSync(path, `${linesOf(dir).filter((line) => !line.includes('"d-7"')).join("\n")}\n`, "latin1");
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ reason: "damaged" });
    const forced = await AuditLog.open(dir, { force: true });
    await forced[Symbol.asyncDispose]();
    expect(peekCheckpoint(checkpointText(dir)).size).toBe(forced.size);
    const leaves = readFileSync(join(dir, `tile/0/001.p/${forced.size - 256}`));
    const at = (seq: number): string => leaves.toString("hex", (seq - 256) * 32, (seq - 255) * 32);
    expect(at(312)).toBe("0".repeat(64));
    for (const line of linesOf(dir).filter((text) => (JSON.parse(text) as { seq: number }).seq >= 256)) {
      expect(at((JSON.parse(line) as { seq: number }).seq)).toBe(createHash("sha256").update(`\0${line}`).digest("hex"));
    }
  });

  test("a missing segment that only the tree comes across is refused without force", async () => {
    const dir = await writtenTrail(120, { segmentBytes: 16_384, checkpoints: false });
    const paths = segmentsOf(dir);
    rmSync(paths[1] ?? "");
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ reason: "damaged", message: expect.stringContaining("are missing") as string });
    const forced = await AuditLog.open(dir, { force: true });
    await forced[Symbol.asyncDispose]();
    expect(recordsOf(dir).filter(({ type }) => type === "AuditDamageForced")).toMatchObject([{ details: { kind: "missing" } }]);
    const again = await AuditLog.open(dir);
    await again[Symbol.asyncDispose]();
  });

  test("the last signed record lost with its segment is refused without force, and by force the tree keeps its leaf", async () => {
    const dir = await writtenTrail(60, { segmentBytes: 16_384 });
    const log = await AuditLog.open(dir, { segmentBytes: 16_384, checkpoints: false });
    for (let i = 0; i < 60; i += 1) log.emitSync(loaded(`d-${i}`));
    await log[Symbol.asyncDispose]();
    const { size, origin } = peekCheckpoint(checkpointText(dir));
    rmSync(segmentsOf(dir).find((path) => readFileSync(path, "latin1").includes(`"seq":${size - 1},`)) ?? "");
    await expect(AuditLog.open(dir, { emergency: () => undefined })).rejects.toMatchObject({ reason: "rolled_back" });
    const forced = await AuditLog.open(dir, { force: true });
    await forced[Symbol.asyncDispose]();
    expect(peekCheckpoint(checkpointText(dir))).toMatchObject({ origin, size: forced.size });
    expect(recordsOf(dir).filter(({ type }) => type === "AuditDamageForced")).toMatchObject([{ details: { seq: size, kind: "missing" } }]);
  });

  test("a forged number does not make us hash for ever", async () => {
    const dir = newFolder();
    const log = await AuditLog.open(dir, { checkpoints: false });
    await log.emit(loaded());
    await log[Symbol.asyncDispose]();
    const [path = ""] = segmentsOf(dir);
    writeFileSync(path, readFileSync(path, "latin1").replace('"seq":2,', '"seq":9007199254740000,'), "latin1");
    await expect(AuditLog.open(dir, { force: true })).rejects.toMatchObject({ reason: "damaged", message: expect.stringContaining("are missing") as string });
  });
});
