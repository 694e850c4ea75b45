/** A disk that is really full: what is still recorded, what is refused, and how it goes on. */
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { trailRecords } from "../../lib/audit/records.ts";
import type { TrailRecord } from "../../lib/audit/records.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { ModelLoader } from "../../lib/index.ts";
import { tinyModel } from "../fixtures/models.mjs";
import { smallDisk } from "./disks.ts";
import type { DiskKind, SmallDisk } from "./disks.ts";
import { denial, loaded, newFolder, openLog } from "./support.ts";

const MEBIBYTE = 1024 * 1024;
const reserveOf = (dir: string): string => join(dir, "reserve");

async function recordsIn(dir: string): Promise<TrailRecord[]> {
  const records: TrailRecord[] = [];
  for await (const record of trailRecords(dir)) records.push(record);
  return records;
}

async function openOn(disk: SmallDisk, lines: string[] = []): Promise<AuditLog> {
  return openLog(disk.dir, { emergency: (line) => lines.push(line) });
}

/** Emits until the disk refuses; every event that was accepted is on disk. */
async function untilFull(log: AuditLog): Promise<{ accepted: number[]; failure: unknown }> {
  const accepted: number[] = [];
  for (let i = 0; i < 100; i += 1) {
    try {
      accepted.push((await log.emit(denial(`c-${i}`))).seq);
    } catch (failure) {
      return { accepted, failure };
    }
  }
  throw new Error("the disk never became full");
}

describe.each<DiskKind>(["tmpfs", "ext4"])("a full %s", (kind) => {
  const made = (ctx: TestContext): SmallDisk => smallDisk(ctx, kind, kind === "tmpfs" ? 8 : 16);

  test("is recorded while it is full, with the events that are refused, and the trail goes on when there is room", async (ctx) => {
    const disk = made(ctx);
    const emergency: string[] = [];
    const log = await openOn(disk, emergency);
    expect(lstatSync(reserveOf(disk.dir))).toMatchObject({ size: MEBIBYTE });
    disk.fill();
    const { accepted, failure } = await untilFull(log);
    expect(failure).toMatchObject({ code: "AUDIT_UNAVAILABLE", reason: "enospc" });
    expect(log.healthy).toBe(false);
    expect(existsSync(reserveOf(disk.dir))).toBe(false);

    // Durable now, while the disk is full: another reader sees it.
    const during = await recordsIn(disk.dir);
    expect(during.filter(({ type }) => type === "AuditDiskFull")).toMatchObject([{ sev: "CRITICAL", reason: "enospc" }]);
    for (const seq of accepted) expect(during[seq]).toMatchObject({ seq, type: "PathTraversalAttempt" });
    expect(await verifyTrail(disk.dir)).toMatchObject({ ok: true });

    await expect(log.emit(loaded())).rejects.toMatchObject({ reason: "enospc" });
    expect(() => log.emitSync(loaded())).toThrow(/disk is full/);
    expect(emergency).toHaveLength(3);

    disk.free();
    const { seq } = await log.emit(denial("room again"));
    expect(log.healthy).toBe(true);
    expect(lstatSync(reserveOf(disk.dir))).toMatchObject({ size: MEBIBYTE });
    await log[Symbol.asyncDispose]();
    const after = await recordsIn(disk.dir);
    expect(after[seq]).toMatchObject({ corr: "room again" });
    expect(after.filter(({ type }) => type === "AuditSpaceRestored")).toHaveLength(1);
    const lost = after.filter(({ type }) => type === "AuditEventsLost").map(({ details }) => Number(details?.["count"]));
    expect(lost.reduce((a, b) => a + b, 0)).toBe(3);
    expect(await verifyTrail(disk.dir)).toMatchObject({ ok: true, closed: true });
  });

  test("writes the number of refused events while it is full, and a closing that verifies", async (ctx) => {
    const disk = made(ctx);
    const log = await openOn(disk);
    disk.fill();
    await untilFull(log);
    for (let i = 0; i < 200; i += 1) await log.emit(loaded()).catch(() => undefined);
    await log[Symbol.asyncDispose]();
    const records = await recordsIn(disk.dir);
    const lost = records.filter(({ type }) => type === "AuditEventsLost");
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThan(6);
    expect(lost.map(({ details }) => Number(details?.["count"])).reduce((a, b) => a + b, 0)).toBe(201);
    expect(records.at(-1)).toMatchObject({ type: "AuditClosed" });
    expect(await verifyTrail(disk.dir)).toMatchObject({ ok: true, closed: true });
  });

  test("at the opening is recorded with the reserve of the last run", async (ctx) => {
    const disk = made(ctx);
    await (await openOn(disk))[Symbol.asyncDispose]();
    disk.fill();
    // What is left of the last page takes a few openings.
    for (let i = 0; existsSync(reserveOf(disk.dir)) && i < 20; i += 1) await (await openOn(disk))[Symbol.asyncDispose]();
    expect((await recordsIn(disk.dir)).filter(({ type }) => type === "AuditDiskFull")).toHaveLength(1);
    expect(await verifyTrail(disk.dir)).toMatchObject({ ok: true, closed: true });
  });

  test("twice is two episodes", async (ctx) => {
    const disk = made(ctx);
    const log = await openOn(disk);
    for (let i = 0; i < 2; i += 1) {
      disk.fill();
      await untilFull(log);
      disk.free();
      await log.emit(denial("between"));
    }
    const types = (await recordsIn(disk.dir)).map(({ type }) => type);
    expect(types.filter((type) => type === "AuditDiskFull" || type === "AuditSpaceRestored")).toEqual(
      ["AuditDiskFull", "AuditSpaceRestored", "AuditDiskFull", "AuditSpaceRestored"]);
    expect(await verifyTrail(disk.dir)).toMatchObject({ ok: true });
  });
});

describe("a loader whose trail's disk is full", () => {
  test("refuses good models, keeps its verdict on bad ones, and counts both", async (ctx) => {
    const disk = smallDisk(ctx, "tmpfs", 8);
    const root = newFolder();
    mkdirSync(root);
    writeFileSync(join(root, "good.gguf"), tinyModel().bytes());
    const registry = new Registry();
    const log = await openOn(disk);
    const loader = await ModelLoader.open({ root, audit: log, registry });
    disk.fill();
    await untilFull(log);
    await expect(loader.load("good.gguf")).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE", auditError: { reason: "enospc" } });
    await expect(loader.load("../x")).rejects.toMatchObject({ code: "PATH_TRAVERSAL", auditError: { reason: "enospc" } });
    const failures = await registry.getSingleMetricAsString("model_loader_audit_emit_failures_total");
    expect(failures).toContain('{severity="CRITICAL",reason="enospc"} 2');
    expect(failures).toContain('{severity="INFO",reason="enospc"} 1');
    disk.free();
    const model = await loader.load("good.gguf");
    await model[Symbol.asyncDispose]();
    await loader[Symbol.asyncDispose]();
    await log[Symbol.asyncDispose]();
    expect((await recordsIn(disk.dir)).filter(({ type }) => type === "ModelLoaded")).toHaveLength(1);
    expect(await verifyTrail(disk.dir)).toMatchObject({ ok: true, closed: true });
  });
});

describe("the reserve", () => {
  test("takes its space on disk, and is kept over runs", async () => {
    const dir = newFolder();
    for (let i = 0; i < 2; i += 1) await (await AuditLog.open(dir))[Symbol.asyncDispose]();
    const { size, blocks, mode } = lstatSync(reserveOf(dir));
    expect(size).toBe(MEBIBYTE);
    expect(blocks * 512).toBeGreaterThanOrEqual(MEBIBYTE);
    expect(mode & 0o777).toBe(0o600);
    expect(new Set(readFileSync(reserveOf(dir)).subarray(0, 4_096)).size).toBeGreaterThan(200);
  });

  test("is made anew where a crash left a part of it", async () => {
    const dir = newFolder();
    await (await AuditLog.open(dir))[Symbol.asyncDispose]();
    writeFileSync(reserveOf(dir), "part");
    await openLog(dir);
    expect(lstatSync(reserveOf(dir)).size).toBe(MEBIBYTE);
  });

  test("never follows a link, and the trail opens without it", async () => {
    const dir = newFolder();
    await (await AuditLog.open(dir))[Symbol.asyncDispose]();
    const elsewhere = join(newFolder(), "..", "elsewhere");
    writeFileSync(elsewhere, "mine");
    rmSync(reserveOf(dir));
    symlinkSync(elsewhere, reserveOf(dir));
    const warnings: string[] = [];
    await openLog(dir, { logger: { error: () => undefined, warn: (_, message) => warnings.push(message) } });
    expect(readFileSync(elsewhere, "latin1")).toBe("mine");
    expect(warnings).toEqual(["the audit trail has no reserve: a full disk could not be recorded"]);
  });

  test("is not made where it would fill the disk, and there is none where none is wanted", async (ctx) => {
    const disk = smallDisk(ctx, "tmpfs", 1);
    await openOn(disk);
    expect(existsSync(reserveOf(disk.dir))).toBe(false);
    const dir = newFolder();
    await openLog(dir, { reserveBytes: 0 });
    expect(existsSync(reserveOf(dir))).toBe(false);
  });

  test.each([-1, 1, 1.5, "1", 2 ** 40])("of %j bytes is refused", async (reserveBytes) => {
    await expect(AuditLog.open(newFolder(), { reserveBytes: reserveBytes as number })).rejects.toThrow(/reserveBytes must be 0 or/);
  });
});
