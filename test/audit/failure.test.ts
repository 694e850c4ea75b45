/** What a disk can do to a log that is being written. Real disks where they can be had; the doubles say so in their names. */
import { execFileSync } from "node:child_process";
import { appendFileSync, constants, copyFileSync, mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { NODE_FS } from "../../lib/audit/files.ts";
import type { AuditFs } from "../../lib/audit/files.ts";
import type { AuditLog, AuditLogger } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { brokenFs, denial, loaded, newFolder, openLog, recordsOf, segmentsOf, systemError } from "./support.ts";

const asRoot = process.geteuid?.() === 0;
const typesOf = (dir: string): string[] => recordsOf(dir).map(({ type }) => type);

/** Records as a reader of the whole trail sees them: repeated ones once, bytes that are no record left out. */
function storyOf(dir: string): { seq: number; type: string; corr?: string; reason?: string; details?: Record<string, unknown> }[] {
  const story = new Map<number, { seq: number; type: string }>();
  for (const path of segmentsOf(dir)) for (const line of readFileSync(path, "latin1").split("\n")) {
    const record = parsed(line);
    if (record !== undefined) story.set(record.seq, record);
  }
  return [...story.values()].sort((a, b) => a.seq - b.seq);
}

function parsed(line: string): { seq: number; type: string } | undefined {
  try {
    return JSON.parse(line) as { seq: number; type: string };
  } catch {
    return undefined;
  }
}

/** A double: the next `count` calls of one kind fail, the rest are real. */
class FaultyDisk {
  readonly fs: AuditFs;
  syncFailures: string[] = [];
  writeFailures: (string | number)[] = [];
  openFailures: string[] = [];
  syncs = 0;

  constructor() {
    this.fs = brokenFs({
      fdatasyncSync: (fd) => { this.#sync(); NODE_FS.fdatasyncSync(fd); },
      fdatasync: ((fd: number, done: (failure: NodeJS.ErrnoException | null) => void) => {
        const failure = caught(() => { this.#sync(); });
        if (failure === undefined) NODE_FS.fdatasync(fd, done);
        else setImmediate(() => { done(failure); });
      }) as typeof NODE_FS.fdatasync,
      writeSync: ((fd: number, bytes: Uint8Array, offset: number, len: number) => this.#write(fd, bytes, offset, len)) as typeof NODE_FS.writeSync,
      openSync: (path, flags, mode) => {
        const code = this.openFailures.shift();
        if (code !== undefined && code !== "") throw systemError(code);
        return NODE_FS.openSync(path, flags, mode);
      },
    });
  }

  #sync(): void {
    this.syncs += 1;
    const code = this.syncFailures.shift();
    if (code !== undefined && code !== "") throw systemError(code);
  }

  /** A number is how many bytes are taken before the call returns short; a code fails the call. */
  #write(fd: number, bytes: Uint8Array, offset: number, len: number): number {
    const fault = this.writeFailures.shift();
    if (typeof fault === "string" && fault !== "") throw systemError(fault);
    return NODE_FS.writeSync(fd, bytes, offset, typeof fault === "number" ? Math.min(fault, len) : len);
  }
}

function caught(action: () => void): NodeJS.ErrnoException | undefined {
  try {
    action();
    return undefined;
  } catch (failure) {
    return failure as NodeJS.ErrnoException;
  }
}

async function faultyLog(): Promise<{ dir: string; disk: FaultyDisk; log: AuditLog; logger: { error: ReturnType<typeof vi.fn>; warn: ReturnType<typeof vi.fn> } }> {
  const dir = newFolder();
  const disk = new FaultyDisk();
  const logger = { error: vi.fn<AuditLogger["error"]>(), warn: vi.fn<AuditLogger["warn"]>() };
  const log = await openLog(dir, { fs: disk.fs, logger, reserveBytes: 0 });
  await log.emit(loaded("before"));
  return { dir, disk, log, logger };
}

describe("a failed sync (double)", () => {
  test.each(["EIO", "ENOSPC", "EDQUOT"])("of %s gives up the segment, repeats its records in a new one, and then acknowledges them", async (code) => {
    const { dir, disk, log, logger } = await faultyLog();
    disk.syncFailures = [code];
    const receipts = await Promise.all([log.emit(denial("a")), log.emit(loaded("b"))]);
    expect(receipts.map(({ seq }) => seq)).toEqual([2, 3]);
    const [first = "", second = ""] = segmentsOf(dir);
    const repeated = readFileSync(first, "latin1").split("\n").slice(2, 4);
    expect(readFileSync(second, "latin1").split("\n").slice(0, 2)).toEqual(repeated);
    expect(second).toContain("00000000000000000002.jsonl");
    expect(storyOf(dir).map(({ type }) => type)).toEqual(["AuditOpened", "ModelLoaded", "PathTraversalAttempt", "ModelLoaded", "AuditSegmentAbandoned"]);
    expect(storyOf(dir).at(-1)).toMatchObject({ reason: code === "EIO" ? "eio" : "enospc", details: { segment: "00000000000000000000.jsonl", len: 0 } });
    expect(logger.error).toHaveBeenCalledTimes(1);
    expect(log.healthy).toBe(true);
    await log.emit(loaded("after"));
    await log[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, segments: 2, closed: true });
  });

  test("is never followed by another sync of the same file", async () => {
    const { dir, disk, log } = await faultyLog();
    const synced: string[] = [];
    const real = disk.fs.fdatasyncSync;
    disk.fs.fdatasyncSync = (fd) => { synced.push(basename(readlinkSync(`/proc/self/fd/${fd}`))); real(fd); };
    disk.syncFailures = ["EIO"];
    log.emitSync(denial());
    log.emitSync(denial());
    const [failed, next] = ["00000000000000000000.jsonl", "00000000000000000002.jsonl"];
    expect(synced).toEqual([failed, next, next]);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true });
  });

  test("of the new segment too rejects, loses nothing that is written, and the next success has it all", async () => {
    const { dir, disk, log } = await faultyLog();
    disk.syncFailures = ["EIO", "EIO"];
    await expect(log.emit(denial("a"))).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE", reason: "eio" });
    expect(log.healthy).toBe(false);
    const receipt = await log.emit(denial("b"));
    expect(log.healthy).toBe(true);
    expect(storyOf(dir)[receipt.seq]).toMatchObject({ corr: "b" });
    await log[Symbol.asyncDispose]();
    expect(storyOf(dir).filter(({ corr }) => corr === "a")).toHaveLength(1);
    expect(storyOf(dir).filter(({ type }) => type === "AuditSegmentAbandoned")).toHaveLength(2);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, segments: 3, closed: true });
  });

  test("again and again is not answered with a new file each time", async () => {
    const { dir, disk, log } = await faultyLog();
    disk.syncFailures = Array<string>(1_000).fill("EIO");
    for (let i = 0; i < 20; i += 1) await expect(log.emit(denial(`lost-${i}`))).rejects.toThrow();
    expect(segmentsOf(dir).length).toBeLessThan(8);
    disk.syncFailures = [];
    await vi.waitFor(() => log.emit(denial("after")), { timeout: 10_000, interval: 200 });
    await log[Symbol.asyncDispose]();
    const report = await verifyTrail(dir);
    expect(report).toMatchObject({ ok: true, closed: true });
    const lost = storyOf(dir).filter(({ type }) => type === "AuditEventsLost").map(({ details }) => Number(details?.["count"]));
    const kept = storyOf(dir).filter(({ corr }) => corr?.startsWith("lost-")).length;
    expect(kept + lost.reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(20);
  });

  test("on the thread pool gives up the segment as well, with what was written meanwhile", async () => {
    const { dir, disk, log } = await faultyLog();
    // Two syncs that take longer than the threshold make the log go to the pool.
    const real = disk.fs.fdatasyncSync;
    disk.fs.fdatasyncSync = (fd) => { const end = performance.now() + 8; while (performance.now() < end); real(fd); };
    for (let i = 0; i < 3; i += 1) log.emitSync(loaded("slow"));
    disk.syncFailures = ["EIO"];
    const first = log.emit(denial("a"));
    await new Promise((resolve) => { setImmediate(resolve); });
    const second = log.emit(denial("b"));
    const third = log.emitSync(denial("c"));
    await Promise.all([first, second]);
    await log[Symbol.asyncDispose]();
    expect(third.seq).toBe((await second).seq + 1);
    expect(storyOf(dir).map(({ corr }) => corr).filter((corr) => corr !== undefined)).toEqual(["before", "slow", "slow", "slow", "a", "b", "c"]);
    expect(storyOf(dir).filter(({ type }) => type === "AuditSegmentAbandoned")).toHaveLength(1);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true });
  });

  test("on the thread pool repeats what another sync had made durable meanwhile", async () => {
    const { dir, disk, log } = await faultyLog();
    let fail: (() => void) | undefined;
    disk.fs.fdatasync = ((_fd: number, done: (failure: NodeJS.ErrnoException | null) => void) => {
      fail = () => { done(systemError("EIO")); };
    }) as typeof NODE_FS.fdatasync;
    const real = disk.fs.fdatasyncSync;
    disk.fs.fdatasyncSync = (fd) => { const end = performance.now() + 8; while (performance.now() < end); real(fd); };
    for (let i = 0; i < 3; i += 1) log.emitSync(loaded("slow"));
    const first = log.emit(denial("a"));
    await vi.waitFor(() => { expect(fail).toBeDefined(); }, { timeout: 10_000 });
    disk.fs.fdatasync = NODE_FS.fdatasync;
    const { seq } = log.emitSync(denial("b"));
    expect(await first).toMatchObject({ seq: seq - 1 });
    fail?.();
    const [before = "", after = ""] = segmentsOf(dir);
    expect(readFileSync(after, "latin1").split("\n").slice(0, 2)).toEqual(readFileSync(before, "latin1").split("\n").slice(seq - 1, seq + 1));
    await log[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, segments: 2, closed: true });
  });
});

describe("a failed write (double)", () => {
  test("that is only short is finished", async () => {
    const { dir, disk, log } = await faultyLog();
    disk.writeFailures = [1, 100, 7];
    await log.emit(denial());
    await log[Symbol.asyncDispose]();
    expect(segmentsOf(dir)).toHaveLength(1);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, records: 4 });
  });

  test.each([["EIO", "eio"], ["ENOSPC", "enospc"], ["EPERM", "other"]])("of %s goes on in a new segment", async (code, reason) => {
    const { dir, disk, log } = await faultyLog();
    disk.writeFailures = [code];
    expect(await log.emit(denial("a"))).toMatchObject({ seq: 3 });
    await log[Symbol.asyncDispose]();
    expect(typesOf(dir)).toEqual(["AuditOpened", "ModelLoaded", "AuditSegmentAbandoned", "PathTraversalAttempt", "AuditClosed"]);
    expect(recordsOf(dir)[2]).toMatchObject({ reason });
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, segments: 2 });
  });

  test.each([1, 50, 300])("after %d bytes leaves a torn line that the next segment describes, and the record takes its number there", async (bytes) => {
    const { dir, disk, log } = await faultyLog();
    const before = readFileSync(segmentsOf(dir)[0] ?? "").length;
    disk.writeFailures = [bytes, "ENOSPC"];
    await log.emit(denial("a"));
    await log[Symbol.asyncDispose]();
    expect(storyOf(dir).map(({ type }) => type)).toEqual(["AuditOpened", "ModelLoaded", "AuditSegmentAbandoned", "PathTraversalAttempt", "AuditClosed"]);
    expect(storyOf(dir)[2]).toMatchObject({ seq: 2, details: { segment: "00000000000000000000.jsonl", offset: before, len: bytes } });
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, recovered: 1 });
  });

  test("in the middle of a crowd keeps the whole lines where they are", async () => {
    const { dir, disk, log } = await faultyLog();
    disk.writeFailures = ["", "", "", "", 1_000, "ENOSPC"];
    const receipts = await Promise.all(Array.from({ length: 10 }, (_, i) => log.emit(loaded(`crowd-${i}`))));
    await log[Symbol.asyncDispose]();
    const story = storyOf(dir);
    expect(story.map(({ corr }) => corr).filter((corr) => corr?.startsWith("crowd"))).toEqual(Array.from({ length: 10 }, (_, i) => `crowd-${i}`));
    receipts.forEach(({ seq }, i) => { expect(story[seq]).toMatchObject({ corr: `crowd-${i}` }); });
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, recovered: 1 });
  });

  test("that no new segment can help rejects without taking a number, and the trail says how many were lost", async () => {
    const { dir, disk, log, logger } = await faultyLog();
    disk.writeFailures = Array<string>(100).fill("ENOSPC");
    for (let i = 0; i < 5; i += 1) await expect(log.emit(i < 2 ? denial() : loaded())).rejects.toMatchObject({ reason: "enospc" });
    expect(log.healthy).toBe(false);
    expect(logger.error).toHaveBeenCalledTimes(5);
    expect(segmentsOf(dir)).toHaveLength(2);
    disk.writeFailures = [];
    const receipt = await log.emit(denial("after"));
    expect(log.healthy).toBe(true);
    await log[Symbol.asyncDispose]();
    expect(typesOf(dir).slice(2)).toEqual(["AuditSegmentAbandoned", "AuditEventsLost", "PathTraversalAttempt", "AuditClosed"]);
    expect(recordsOf(dir)[3]).toMatchObject({ sev: "CRITICAL", details: { count: 5, critical: 2 } });
    expect(recordsOf(dir)[receipt.seq]).toMatchObject({ corr: "after" });
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });

  test("of a disk that is full acknowledges what reached the file before, and rejects only the rest", async () => {
    const { dir, disk, log } = await faultyLog();
    const reached = [log.emit(denial("a")), log.emit(denial("b"))];
    disk.writeFailures = Array<string>(100).fill("ENOSPC");
    await expect(log.emit(denial("lost"))).rejects.toMatchObject({ reason: "enospc" });
    expect((await Promise.all(reached)).map(({ seq }) => seq)).toEqual([2, 3]);
    expect(storyOf(dir).map(({ corr }) => corr)).toEqual([undefined, "before", "a", "b"]);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, records: 4 });
  });

  test("of a new segment's name rejects, and is tried again", async () => {
    const { dir, disk, log } = await faultyLog();
    disk.writeFailures = ["EIO"];
    disk.openFailures = ["EMFILE"];
    await expect(log.emit(denial("lost"))).rejects.toMatchObject({ reason: "other" });
    await log.emit(denial("after"));
    await log[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });

  test("emitSync, flush and closing say so too", async () => {
    const { disk, log } = await faultyLog();
    disk.writeFailures = Array<string>(100).fill("EIO");
    expect(() => log.emitSync(denial())).toThrow(/EIO/);
    disk.writeFailures = [];
    disk.syncFailures = Array<string>(100).fill("EIO");
    void log.emit(loaded());
    await expect(log.flush()).rejects.toMatchObject({ reason: "eio" });
    expect(() => { log.flushSync(); }).toThrow();
    await expect(log[Symbol.asyncDispose]()).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    log[Symbol.dispose]();
  });

  test("a logger that throws changes nothing", async () => {
    const disk = new FaultyDisk();
    const thrower = (): never => { throw new Error("logger"); };
    const log = await openLog(newFolder(), { fs: disk.fs, logger: { error: thrower, warn: thrower } });
    disk.writeFailures = Array<string>(10).fill("ENOSPC");
    await expect(log.emit(denial())).rejects.toMatchObject({ reason: "enospc" });
  });

  test("nobody has to wait for the rejection", async () => {
    const { disk, log } = await faultyLog();
    disk.writeFailures = Array<string>(10).fill("ENOSPC");
    void log.emit(denial());
    // An unhandled rejection would fail the run.
    await new Promise((resolve) => setTimeout(resolve, 20));
  });
});

test("a full segment is complete on disk before its successor exists (double)", async () => {
  const dir = newFolder();
  const synced = new Map<string, number>();
  const born: { before: string; synced: number | undefined; size: number }[] = [];
  const fs = brokenFs({
    fdatasyncSync: (fd) => { NODE_FS.fdatasyncSync(fd); synced.set(readlinkSync(`/proc/self/fd/${fd}`), NODE_FS.fstatSync(fd).size); },
    openSync: (path, flags, mode) => {
      const before = typeof flags === "number" && (flags & constants.O_CREAT) !== 0 ? segmentsOf(dir).at(-1) : undefined;
      if (before !== undefined) born.push({ before, synced: synced.get(before), size: readFileSync(before).length });
      return NODE_FS.openSync(path, flags, mode);
    },
  });
  const log = await openLog(dir, { fs, segmentBytes: 16_384 });
  await Promise.all(Array.from({ length: 100 }, (_, i) => log.emit(i % 2 ? denial() : loaded())));
  expect(born.length).toBeGreaterThan(1);
  for (const { before, synced: durable, size } of born) expect({ before, durable }).toEqual({ before, durable: size });
});

describe("a file that changes under the log", () => {
  async function tampered(how: (path: string) => void): Promise<{ dir: string; story: ReturnType<typeof storyOf> }> {
    const dir = newFolder();
    const log = await openLog(dir);
    await log.emit(loaded("before"));
    how(segmentsOf(dir)[0] ?? "");
    await log.emit(denial("during"));
    await log.emit(loaded("after"));
    await log[Symbol.asyncDispose]();
    return { dir, story: storyOf(dir) };
  }

  test("deleted: all of it stands again under its name", async () => {
    const { dir, story } = await tampered((path) => { unlinkSync(path); });
    expect(story.map(({ type }) => type)).toEqual(["AuditOpened", "ModelLoaded", "PathTraversalAttempt", "AuditSegmentAbandoned", "ModelLoaded", "AuditClosed"]);
    expect(story[3]).toMatchObject({ reason: "unlinked", sev: "CRITICAL" });
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, segments: 1 });
  });

  test("renamed: all of it stands again under its name", async () => {
    const { dir, story } = await tampered((path) => { renameSync(path, join(dirname(path), "..", "moved")); });
    expect(story[3]).toMatchObject({ reason: "unlinked" });
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, segments: 1, records: 6 });
  });

  test("replaced by a copy: goes on beside it", async () => {
    const { dir } = await tampered((path) => { copyFileSync(path, `${path}.copy`); renameSync(`${path}.copy`, path); });
    expect(segmentsOf(dir).map((path) => basename(path))).toEqual(["00000000000000000000.1.jsonl", "00000000000000000000.jsonl"]);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, segments: 2, records: 6 });
  });

  test("truncated: the loss is recorded, and the verifier names the record", async () => {
    const { dir, story } = await tampered((path) => { truncateSync(path, 10); });
    expect(story.find(({ type }) => type === "AuditSegmentAbandoned")).toMatchObject({ reason: "truncated", sev: "CRITICAL" });
    expect(story.map(({ corr }) => corr).filter(Boolean)).toEqual(["during", "after"]);
    expect(await verifyTrail(dir)).toMatchObject({ ok: false, damage: { seq: 0 } });
  });

  test("with foreign bytes at its end: goes on in a new segment that describes them", async () => {
    const { dir, story } = await tampered((path) => { appendFileSync(path, "somebody was here\n"); });
    expect(story.find(({ type }) => type === "AuditSegmentAbandoned")).toMatchObject({ reason: "foreign" });
    expect(story.map(({ corr }) => corr).filter(Boolean)).toEqual(["before", "during", "after"]);
    const report = await verifyTrail(dir);
    expect(report.ok).toBe(false);
    expect(report.damage).toMatchObject({ kind: "inserted", seq: 2 });
  });

  test("deleted with its whole folder: every record is refused, and none is claimed", async () => {
    const dir = newFolder();
    const log = await openLog(dir);
    rmSync(dir, { recursive: true });
    await expect(log.emit(denial())).rejects.toMatchObject({ reason: "unlinked" });
  });
});

describe.runIf(asRoot)("a full disk", () => {
  /** A real file system of 64 KiB; `fill` takes what is left of it. */
  function smallDisk(): { dir: string; fill: () => void; free: () => void } {
    const dir = newFolder();
    mkdirSync(dir, { mode: 0o700 });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", dir]);
    onTestFinished(() => { execFileSync("umount", ["-l", dir]); });
    const ballast = join(dir, "ballast");
    return { dir, fill: () => { fillUp(ballast); }, free: () => { rmSync(ballast); } };
  }

  function fillUp(path: string): void {
    writeFileSync(path, "");
    for (let bytes = 4_096; bytes >= 1; bytes = bytes === 4_096 ? 1 : 0) {
      while (caught(() => { appendFileSync(path, Buffer.alloc(bytes)); }) === undefined);
    }
  }

  test("rejects each event in words, keeps what it acknowledged, and goes on when there is room again", async () => {
    const { dir, fill, free } = smallDisk();
    const log = await openLog(dir);
    const kept: number[] = [];
    fill();
    let lost = 0;
    for (let i = 0; i < 60; i += 1) {
      await log.emit(denial(`c-${i}`)).then(({ seq }) => kept.push(seq), (failure: unknown) => {
        lost += 1;
        expect(failure).toMatchObject({ code: "AUDIT_UNAVAILABLE", reason: "enospc" });
      });
    }
    expect(lost).toBeGreaterThan(30);
    expect(log.healthy).toBe(false);
    free();
    const { seq } = await log.emit(denial("room again"));
    await log[Symbol.asyncDispose]();
    const story = storyOf(dir);
    for (const one of kept) expect(story[one]).toMatchObject({ seq: one, type: "PathTraversalAttempt" });
    expect(story[seq]).toMatchObject({ corr: "room again" });
    expect(story.filter(({ type }) => type === "AuditEventsLost")).toMatchObject([{ details: { count: lost, critical: lost } }]);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });

  test("at the opening is an error in words, and the folder opens when there is room", async () => {
    const { dir, fill, free } = smallDisk();
    const log = await openLog(dir);
    await log[Symbol.asyncDispose]();
    fill();
    truncateToPage(dir);
    await expect(openLog(dir)).rejects.toMatchObject({ reason: "enospc" });
    free();
    const again = await openLog(dir);
    await again[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });

  /** Fills the rest of the segment's last page, which a full disk still has room for. */
  function truncateToPage(dir: string): void {
    const [path = ""] = segmentsOf(dir);
    const { length } = readFileSync(path);
    expect(length).toBeLessThan(4_096);
    appendFileSync(path, Buffer.alloc(4_096 - length, "x"));
  }
});

if (!asRoot) console.log("skipped, because they need root to mount: a full disk");
