/** What is on disk after a process or a thread ended, in each of the ways in which it can. Real processes, the real lock. */
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { compiledLibrary, death, denial, newFolder, openLog, recordsOf, startProgram } from "./support.ts";
import type { Death } from "./support.ts";

let home: string;
beforeAll(() => { home = compiledLibrary(); });
afterAll(() => { rmSync(home, { recursive: true, force: true }); });

const run = (dir: string, program: string): Promise<Death> => death(startProgram(home, dir, program));
const storyOf = (dir: string): string[] => recordsOf(dir).map(({ type, corr }) => (corr === undefined ? type : corr));
const OPEN = "const log = await AuditLog.open(dir);";

describe("what an ended process leaves", () => {
  test.each([
    ["runs out of work", "void log.emit(denial('a'));", 0],
    ["waits for nothing and calls process.exit", "void log.emit(denial('a')); process.exit(3);", 3],
    ["throws", "void log.emit(denial('a')); throw new Error('boom');", 1],
    ["leaves a rejection unhandled", "void log.emit(denial('a')); await Promise.reject(new Error('boom'));", 1],
    ["exits from a handler of SIGTERM", "process.on('SIGTERM', () => process.exit(7)); void log.emit(denial('a')); process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 5000);", 7],
    ["forgot the log", "await (async () => { const other = log; await other.emit(denial('a')); })(); globalThis.gc?.(); setTimeout(() => {}, 50);", 0],
  ])("that %s: the event, and the closing", async (_, program, code) => {
    const dir = newFolder();
    const end = await run(dir, `${OPEN} ${program}`);
    expect(end.code).toBe(code);
    expect(storyOf(dir)).toEqual(["AuditOpened", "a", "AuditClosed"]);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });

  test.each([
    ["SIGKILL", "process.kill(process.pid, 'SIGKILL');"],
    ["SIGTERM without a handler", "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 5000);"],
    ["abort", "process.abort();"],
    ["reallyExit", "process.reallyExit(1);"],
  ])("that died of %s: the event that was emitted, awaited or not", async (_, program) => {
    for (const wait of ["await", "void"]) {
      const dir = newFolder();
      await run(dir, `${OPEN} ${wait} log.emit(denial('a')); ${program}`);
      expect(storyOf(dir)).toEqual(["AuditOpened", "a"]);
      const log = await openLog(dir);
      await log[Symbol.asyncDispose]();
      expect(recordsOf(dir).slice(2)).toMatchObject([{ reason: "AFTER_UNCLEAN_END" }, { type: "AuditClosed" }]);
      expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
    }
  });

  test("killed in the middle of a crowd: every acknowledged record, in order", async () => {
    const dir = newFolder();
    const child = startProgram(home, dir, `${OPEN}
      for (let i = 0; ; i += 1) { const { seq } = await log.emit(i % 3 ? loaded('c-' + i) : denial('c-' + i)); process.stdout.write(seq + "\\n"); }`);
    const ended = death(child);
    await once(child.stdout ?? child, "data");
    await new Promise((resolve) => setTimeout(resolve, 100));
    child.kill("SIGKILL");
    const acknowledged = (await ended).stdout.trim().split("\n").map(Number);
    const log = await openLog(dir);
    await log[Symbol.asyncDispose]();
    const records = recordsOf(dir);
    expect(acknowledged.length).toBeGreaterThan(0);
    for (const seq of acknowledged) expect(records[seq]).toMatchObject({ seq, corr: `c-${seq - 1}` });
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });
});

describe("a worker thread", () => {
  const worker = (body: string): string => `
    import { Worker } from "node:worker_threads";
    const body = \`import { AuditLog } from "\${new URL("lib/audit/log.js", import.meta.url)}";
      import { parentPort } from "node:worker_threads";
      const log = await AuditLog.open(\${JSON.stringify(dir)});
      const event = { type: "PathTraversalAttempt", outcome: "denied", action: "model.load", correlationId: "a" };
      ${body}\`;
    const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(body)));
    worker.on("error", (error) => { console.error(error); });`;

  test("that calls process.exit closes its log", async () => {
    const dir = newFolder();
    await run(dir, worker("void log.emit(event); process.exit(0);"));
    expect(storyOf(dir)).toEqual(["AuditOpened", "a", "AuditClosed"]);
  });

  test.each([
    ["while it waits", "await log.emit(event); parentPort.postMessage(1); setInterval(() => {}, 1000);"],
    ["in a busy loop", "void log.emit(event); parentPort.postMessage(1); for (;;);"],
  ])("that is terminated %s has its event on disk, and the folder is free", async (_, body) => {
    const dir = newFolder();
    const end = await run(dir, `${worker(body)}
      worker.once("message", async () => {
        await worker.terminate();
        const log = await AuditLog.open(dir);
        await log.emit(denial("next"));
        await log[Symbol.asyncDispose]();
      });`);
    expect(end.stderr).toBe("");
    expect(storyOf(dir)).toEqual(["AuditOpened", "a", "AuditOpened", "next", "AuditClosed"]);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });
});

describe("two processes on one folder", () => {
  test("the second is refused in words, and may write when the first has ended", async () => {
    const dir = newFolder();
    const log = await AuditLog.open(dir);
    const refused = await run(dir, "await AuditLog.open(dir).catch((e) => { console.log(e.code, e.reason, e.message); });");
    expect(refused.stdout).toContain("AUDIT_UNAVAILABLE lock the audit folder");
    await log[Symbol.asyncDispose]();
    expect((await run(dir, `${OPEN} await log.emit(denial("second"));`)).code).toBe(0);
    expect(storyOf(dir)).toEqual(["AuditOpened", "AuditClosed", "AuditOpened", "second", "AuditClosed"]);
  });

  test("the lock of a killed process is free at once", async () => {
    const dir = newFolder();
    const child = startProgram(home, dir, `${OPEN} console.log("open"); setInterval(() => {}, 1000);`);
    const ended = death(child);
    await once(child.stdout ?? child, "data");
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ reason: "lock" });
    child.kill("SIGKILL");
    await ended;
    const log = await openLog(dir);
    await log.emit(denial());
  });
});

describe("standard error", () => {
  const LOSING = `${OPEN} await log[Symbol.asyncDispose](); await log.emit(denial("lost")).catch((e) => { console.log(e.reason); });`;

  test("gets one JSON line for a lost record", async () => {
    const { stdout, stderr } = await run(newFolder(), LOSING);
    expect(stdout.trim()).toBe("closed");
    expect(JSON.parse(stderr)).toMatchObject({ emergency: "audit record not durable", reason: "closed", event: { type: "PathTraversalAttempt", corr: "lost" } });
  });

  test("that is gone ends nobody", async () => {
    const child = startProgram(home, newFolder(), `await new Promise((done) => { setTimeout(done, 100); }); ${LOSING}`);
    child.stderr?.destroy();
    expect(await death(child)).toMatchObject({ code: 0, stdout: "closed\n" });
  });
});

test("the programs of this file run the library of this checkout", () => {
  expect(existsSync(`${home}/lib/audit/log.js`)).toBe(true);
  expect(readFileSync(`${home}/lib/audit/log.js`, "utf8")).toContain("class AuditLog");
  expect(denial().type).toBe("PathTraversalAttempt");
});
