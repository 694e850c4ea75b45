import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { AuditWriteError } from "../../lib/audit/errors.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { brokenFs, denial, linesOf, loaded, newFolder, openLog, recordsOf, segmentsOf, writtenTrail } from "./support.ts";
import { NODE_FS } from "../../lib/audit/files.ts";
import type { AuditFs } from "../../lib/audit/files.ts";

const leafOf = (line: string): string => createHash("sha256").update(Buffer.concat([Buffer.from([0]), Buffer.from(line)])).digest("hex");

/** The real file system, with both ways to sync watched: which one is taken depends on how fast this disk is just now. */
function watchedSyncs({ starts, ends }: { starts: () => void; ends: () => void }): AuditFs {
  return brokenFs({
    fdatasyncSync: (fd) => { starts(); NODE_FS.fdatasyncSync(fd); ends(); },
    fdatasync: ((fd: number, done: (failure: NodeJS.ErrnoException | null) => void) => {
      starts();
      NODE_FS.fdatasync(fd, (failure) => { ends(); done(failure); });
    }) as typeof NODE_FS.fdatasync,
  });
}

describe("emit", () => {
  test("resolves with the record's number and leaf hash, and the line is in the file", async () => {
    const dir = newFolder();
    const log = await openLog(dir);
    const receipt = await log.emit(denial());
    const line = linesOf(dir)[1] ?? "";
    expect(receipt).toEqual({ seq: 1, leafHash: leafOf(line) });
    expect(JSON.parse(line)).toMatchObject({ seq: 1, type: "PathTraversalAttempt", sev: "CRITICAL", corr: "c-1" });
    expect(log.size).toBe(2);
    expect(log.head).toBe(receipt.leafHash);
  });

  test("a denial is in the file before emit returns, and so is the first record of any kind", async () => {
    const dir = newFolder();
    const log = await openLog(dir);
    const first = log.emit(loaded("first"));
    expect(linesOf(dir)).toHaveLength(2);
    const crowd = Array.from({ length: 20 }, (_, i) => log.emit(loaded(`crowd-${i}`)));
    const denied = log.emit(denial("denied"));
    expect(linesOf(dir)).toHaveLength(23);
    await Promise.all([first, denied, ...crowd]);
    expect(recordsOf(dir).map(({ corr }) => corr)).toEqual([undefined, "first", ...Array.from({ length: 20 }, (_, i) => `crowd-${i}`), "denied"]);
  });

  test("is acknowledged only by a sync that started after its record was written", async () => {
    const events: string[] = [];
    const fs = {
      ...watchedSyncs({ starts: () => { events.push("sync"); }, ends: () => { events.push("synced"); } }),
      writeSync: ((...all: Parameters<typeof NODE_FS.writeSync>) => { events.push("write"); return NODE_FS.writeSync(...all); }) as typeof NODE_FS.writeSync,
    };
    const log = await openLog(newFolder(), { fs });
    events.length = 0;
    await log.emit(denial()).then(() => events.push("resolved"));
    expect(events).toEqual(["write", "sync", "synced", "resolved"]);
  });

  test("one sync serves all that were emitted together", async () => {
    let syncs = 0;
    const fs = watchedSyncs({ starts: () => { syncs += 1; }, ends: () => undefined });
    const log = await openLog(newFolder(), { fs });
    syncs = 0;
    const receipts = await Promise.all(Array.from({ length: 200 }, (_, i) => log.emit(i % 2 ? denial() : loaded())));
    expect(receipts.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(syncs).toBe(1);
  });

  test("on a slow disk the sync runs on the thread pool, one at a time, and still acknowledges only what came before it", async () => {
    let running = 0;
    const starts: number[] = [];
    const dir = newFolder();
    const slowSync = (fd: number): void => { const end = performance.now() + 6; while (performance.now() < end); NODE_FS.fdatasyncSync(fd); };
    const fs = brokenFs({
      fdatasyncSync: slowSync,
      fdatasync: ((fd: number, done: (failure: NodeJS.ErrnoException | null) => void) => {
        expect(running).toBe(0);
        running += 1;
        starts.push(linesOf(dir).length);
        setTimeout(() => { running -= 1; NODE_FS.fdatasync(fd, done); }, 20);
      }) as typeof NODE_FS.fdatasync,
    });
    const log = await openLog(dir, { fs });
    const done: number[] = [];
    const first = log.emit(denial()).then(({ seq }) => done.push(seq));
    await new Promise((resolve) => setTimeout(resolve, 10));
    const second = log.emit(denial()).then(({ seq }) => done.push(seq));
    await first;
    expect(done).toEqual([1]);
    await second;
    expect(starts).toEqual([2, 3]);
    await log.flush();
  });

  test("emitSync is durable when it returns, also for those that still waited", async () => {
    const log = await openLog(newFolder());
    let resolved = 0;
    const waiting = log.emit(loaded()).then(() => { resolved += 1; });
    expect(log.emitSync(denial())).toMatchObject({ seq: 2 });
    await Promise.resolve().then(() => undefined);
    expect(resolved).toBe(1);
    await waiting;
  });

  test("the event can be changed after the call without changing the record", async () => {
    const dir = newFolder();
    const log = await openLog(dir);
    const event = { ...loaded("before"), details: { findings: 1 } };
    const crowd = Array.from({ length: 9 }, () => log.emit(loaded()));
    const receipt = log.emit(event);
    event.details.findings = 2;
    await Promise.all([...crowd, receipt]);
    expect(recordsOf(dir).at(-1)).toMatchObject({ corr: "before", details: { findings: 1 } });
  });
});

describe("flush", () => {
  test("resolves when all that was emitted before is durable", async () => {
    let synced = 0;
    const dir = newFolder();
    const fs = watchedSyncs({ starts: () => undefined, ends: () => { synced = linesOf(dir).length; } });
    const log = await openLog(dir, { fs });
    void log.emit(loaded());
    for (let i = 0; i < 10; i += 1) void log.emit(loaded());
    await log.flush();
    expect(synced).toBe(12);
    void log.emit(loaded());
    log.flushSync();
    expect(synced).toBe(13);
    await log.flush();
  });
});

describe("the chain", () => {
  test("goes on across closings, with the opening and closing of each run", async () => {
    const dir = newFolder();
    for (let run = 0; run < 3; run += 1) {
      const log = await AuditLog.open(dir);
      await log.emit(loaded(`run-${run}`));
      await log[Symbol.asyncDispose]();
    }
    const lines = linesOf(dir);
    expect(recordsOf(dir).map(({ type }) => type)).toEqual(Array<string[]>(3).fill(["AuditOpened", "ModelLoaded", "AuditClosed"]).flat());
    lines.forEach((line, i) => {
      expect(JSON.parse(line)).toMatchObject({ seq: i, prev: i === 0 ? "0".repeat(64) : leafOf(lines[i - 1] ?? "") });
    });
    expect(recordsOf(dir).filter(({ type }) => type === "AuditOpened").map(({ details }) => details?.["previous"])).toEqual(["none", "closed", "closed"]);
    expect(segmentsOf(dir)).toHaveLength(1);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, records: 9, closed: true, head: leafOf(lines[8] ?? "") });
  });

  test("goes on in a new segment when one is full", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { segmentBytes: 16_384 });
    for (let i = 0; i < 100; i += 1) await log.emit(loaded(`c-${i}`));
    await log[Symbol.asyncDispose]();
    const names = readdirSync(join(dir, "log")).sort();
    expect(names.length).toBeGreaterThan(2);
    const records = recordsOf(dir);
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i));
    for (const name of names.slice(1)) expect(records[Number(name.slice(0, 20))]).toMatchObject({ type: "AuditRotated" });
    expect(records.filter(({ type }) => type === "ModelLoaded")).toHaveLength(100);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, records: records.length, segments: names.length });
  });

  test("a trail of several segments is continued from its last one", async () => {
    const dir = await writtenTrail(100, { segmentBytes: 16_384 });
    const log = await openLog(dir, { segmentBytes: 16_384 });
    await log.emit(loaded());
    await log[Symbol.asyncDispose]();
    expect(recordsOf(dir).filter(({ type }) => type === "AuditRecovered")).toEqual([]);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });

  test("keeps its origin, and refuses another one", async () => {
    const dir = newFolder();
    const log = await AuditLog.open(dir, { origin: "audit.example.com/model-loader/one" });
    await log[Symbol.asyncDispose]();
    await expect(AuditLog.open(dir, { origin: "other" })).rejects.toThrow("is of origin audit.example.com/model-loader/one, not other");
    const again = await openLog(dir);
    expect(again.origin).toBe("audit.example.com/model-loader/one");
  });
});

describe("files", () => {
  test("nobody else can read or write them", async () => {
    const dir = newFolder();
    await openLog(dir);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "log")).mode & 0o777).toBe(0o700);
    for (const path of segmentsOf(dir)) expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe("closing", () => {
  test("happens once, however often and in whichever way it is asked for", async () => {
    const dir = newFolder();
    const log = await AuditLog.open(dir);
    await Promise.all([log[Symbol.asyncDispose](), log[Symbol.asyncDispose]()]);
    log[Symbol.dispose]();
    await log[Symbol.asyncDispose]();
    expect(recordsOf(dir).map(({ type }) => type)).toEqual(["AuditOpened", "AuditClosed"]);
    expect(log.healthy).toBe(false);
  });

  test("includes what was emitted before it", async () => {
    const dir = newFolder();
    const log = await AuditLog.open(dir);
    const receipts = Array.from({ length: 20 }, () => log.emit(loaded()));
    log[Symbol.dispose]();
    expect(await Promise.all(receipts)).toHaveLength(20);
    expect(recordsOf(dir).at(-1)).toMatchObject({ type: "AuditClosed", seq: 21 });
  });

  test("afterwards every event is refused, in words", async () => {
    const log = await AuditLog.open(newFolder());
    await log[Symbol.asyncDispose]();
    await expect(log.emit(denial())).rejects.toMatchObject({ name: "AuditWriteError", code: "AUDIT_UNAVAILABLE", reason: "closed" });
    expect(() => log.emitSync(denial())).toThrow(AuditWriteError);
    await log.flush();
    log.flushSync();
  });

  test("leaves no listener on the process", async () => {
    const before = process.listenerCount("exit");
    const logs = await Promise.all(Array.from({ length: 20 }, () => AuditLog.open(newFolder())));
    expect(process.listenerCount("exit")).toBeLessThanOrEqual(before + 1);
    await Promise.all(logs.map((log) => log[Symbol.asyncDispose]()));
    expect(process.listenerCount("exit")).toBe(before);
  });
});

describe("options", () => {
  test.each([
    [{ origin: "has space" }, "origin"], [{ origin: "a+b" }, "origin"], [{ origin: "" }, "origin"], [{ origin: 'q"' }, "origin"],
    [{ origin: "x".repeat(257) }, "origin"], [{ segmentBytes: 1 }, "segmentBytes"], [{ segmentBytes: NaN }, "segmentBytes"], [{ force: "yes" }, "force"],
  ])("%j is refused by name before anything is made", async (options, name) => {
    const dir = newFolder();
    await expect(AuditLog.open(dir, options as never)).rejects.toThrow(new RegExp(`^${name} must`));
    expect(() => statSync(dir)).toThrow("ENOENT");
  });

  test.each([[""], ["a\0b"], [5], [undefined], [{}]])("%j is no folder", async (dir) => {
    await expect(AuditLog.open(dir as never)).rejects.toThrow(TypeError);
  });
});
