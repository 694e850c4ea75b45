/** What is on disk after a process or a thread ended, in each of the ways in which it can, on each major of Node. Real processes. */
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { nodeMajors } from "../support/node-majors.ts";
import { compiledLibrary, death, newFolder, recordsOf, startProgram } from "./support.ts";
import type { Death } from "./support.ts";

let home: string;
beforeAll(() => { home = compiledLibrary(); });
afterAll(() => { rmSync(home, { recursive: true, force: true }); });

const storyOf = (dir: string): string[] => recordsOf(dir).map(({ type, corr }) => (corr === undefined ? type : corr));

const OPEN = "const log = await AuditLog.open(dir);";
const LINGER = "setTimeout(() => {}, 5000);";
const kill = (signal: string): string => `process.kill(process.pid, '${signal}'); ${LINGER}`;

/** Ends that JavaScript sees: the event, and the closing. */
const ORDERLY: readonly [how: string, program: string, code: number][] = [
  ["runs out of work", "void log.emit(denial('a'));", 0],
  ["calls process.exit and waits for nothing", "void log.emit(denial('a')); process.exit(3);", 3],
  ["throws", "void log.emit(denial('a')); throw new Error('boom');", 1],
  ["leaves a rejection unhandled", "void log.emit(denial('a')); await Promise.reject(new Error('boom'));", 1],
  ["exits from a handler of SIGTERM", `process.on('SIGTERM', () => process.exit(7)); void log.emit(denial('a')); ${kill("SIGTERM")}`, 7],
  ["forgot the log", "await (async () => { const other = log; await other.emit(denial('a')); })(); globalThis.gc?.(); setTimeout(() => {}, 50);", 0],
];

/** Ends that JavaScript does not see: the event, awaited or not, and nothing more. */
const SUDDEN: readonly [how: string, program: string, signal: NodeJS.Signals | null][] = [
  ["SIGKILL", kill("SIGKILL"), "SIGKILL"],
  ["SIGTERM without a handler", kill("SIGTERM"), "SIGTERM"],
  ["SIGINT without a handler", kill("SIGINT"), "SIGINT"],
  ["SIGHUP without a handler", kill("SIGHUP"), "SIGHUP"],
  ["SIGSEGV", kill("SIGSEGV"), "SIGSEGV"],
  ["abort", "process.abort();", "SIGABRT"],
  ["reallyExit", "process.reallyExit(1);", null],
];

const WORKERS: readonly [how: string, body: string, main: string, story: readonly string[]][] = [
  ["runs out of work", "void log.emit(event);", "", ["AuditOpened", "a", "AuditClosed"]],
  ["calls process.exit", "void log.emit(event); process.exit(0);", "", ["AuditOpened", "a", "AuditClosed"]],
  ["throws", "void log.emit(event); throw new Error('boom');", "worker.on('error', () => {});", ["AuditOpened", "a", "AuditClosed"]],
  ["is terminated while it waits", "await log.emit(event); parentPort.postMessage(1); setInterval(() => {}, 1000);", "worker.once('message', () => worker.terminate());", ["AuditOpened", "a"]],
  ["is terminated in a busy loop", "void log.emit(event); parentPort.postMessage(1); for (;;);", "worker.once('message', () => worker.terminate());", ["AuditOpened", "a"]],
  ["lives when the main thread calls process.exit", "await log.emit(event); parentPort.postMessage(1); setInterval(() => {}, 1000);", "worker.once('message', () => process.exit(0));", ["AuditOpened", "a"]],
  ["lives when the process is killed", "await log.emit(event); parentPort.postMessage(1); setInterval(() => {}, 1000);", "worker.once('message', () => process.kill(process.pid, 'SIGKILL'));", ["AuditOpened", "a"]],
];

describe.each(nodeMajors())("on Node $major", ({ binary, missing }) => {
  const run = (dir: string, program: string): Promise<Death> => death(startProgram(home, dir, program, ["--expose-gc"], binary));

  test.for(ORDERLY)("a process that %s leaves the event, and the closing", async ([, program, code], ctx) => {
    if (missing !== undefined) return ctx.skip(missing);
    const dir = newFolder();
    expect((await run(dir, `${OPEN} ${program}`)).code).toBe(code);
    expect(storyOf(dir)).toEqual(["AuditOpened", "a", "AuditClosed"]);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });

  test("an event of an exit handler that comes after the log's own is lost, and not silently", async (ctx) => {
    if (missing !== undefined) return ctx.skip(missing);
    const dir = newFolder();
    const end = await run(dir, `${OPEN} process.on('exit', () => { void log.emit(denial('late')); });`);
    expect(JSON.parse(end.stderr)).toMatchObject({ reason: "closed", event: { corr: "late" } });
    expect(storyOf(dir)).toEqual(["AuditOpened", "AuditClosed"]);
  });

  test.for(SUDDEN)("a process that died of %s leaves the event, awaited or not, and the next one goes on", async ([, program, signal], ctx) => {
    if (missing !== undefined) return ctx.skip(missing);
    for (const wait of ["await", "void"]) {
      const dir = newFolder();
      expect((await run(dir, `${OPEN} ${wait} log.emit(denial('a')); ${program}`)).signal).toBe(signal);
      expect(storyOf(dir)).toEqual(["AuditOpened", "a"]);
      await (await AuditLog.open(dir))[Symbol.asyncDispose]();
      expect(recordsOf(dir).slice(2)).toMatchObject([{ reason: "AFTER_UNCLEAN_END" }, { type: "AuditClosed" }]);
      expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
    }
  });

  test.for(WORKERS)("a worker that %s leaves its event", async ([, body, main, story], ctx) => {
    if (missing !== undefined) return ctx.skip(missing);
    const dir = newFolder();
    await run(dir, worker(body, main));
    expect(storyOf(dir)).toEqual(story);
    await (await AuditLog.open(dir))[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });

  test.for(["SIGTERM", "SIGINT", "SIGHUP"] as const)("a process with installSignalFlush that gets %s closes its log and dies of the signal", async (signal, ctx) => {
    if (missing !== undefined) return ctx.skip(missing);
    const dir = newFolder();
    const end = await run(dir, `${OPEN} installSignalFlush([log]); void log.emit(denial('a')); ${kill(signal)}`);
    expect(end).toMatchObject({ signal, stderr: "" });
    expect(storyOf(dir)).toEqual(["AuditOpened", "a", "AuditClosed"]);
  });

  test("a host that listens to the signal itself goes on with an open log", async (ctx) => {
    if (missing !== undefined) return ctx.skip(missing);
    const dir = newFolder();
    const end = await run(dir, `${OPEN} installSignalFlush([log]);
      process.on('SIGTERM', async () => { await log.emit(loaded('b')); process.exit(9); }); void log.emit(denial('a')); ${kill("SIGTERM")}`);
    expect(end).toMatchObject({ code: 9, stderr: "" });
    expect(storyOf(dir)).toEqual(["AuditOpened", "a", "b", "AuditClosed"]);
  });

  test("what cannot be disposed of is said, and keeps no other from its turn nor the process from its end", async (ctx) => {
    if (missing !== undefined) return ctx.skip(missing);
    const dir = newFolder();
    const end = await run(dir, `${OPEN} installSignalFlush([{ [Symbol.dispose]() { throw new Error("stuck"); } }, log]); ${kill("SIGTERM")}`);
    expect(end.signal).toBe("SIGTERM");
    expect(JSON.parse(end.stderr)).toEqual({ emergency: "not disposed of in order", message: "stuck" });
    expect(storyOf(dir)).toEqual(["AuditOpened", "AuditClosed"]);
  });
});

/** A worker that opens the log in `dir`, and what the main thread does about it. */
function worker(body: string, main: string): string {
  return `
    import { Worker } from "node:worker_threads";
    const body = \`import { AuditLog } from "\${new URL("lib/audit/log.js", import.meta.url)}";
      import { parentPort } from "node:worker_threads";
      const log = await AuditLog.open(\${JSON.stringify(dir)});
      const event = { type: "PathTraversalAttempt", outcome: "denied", action: "model.load", correlationId: "a" };
      ${body}\`;
    const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(body)));
    ${main}`;
}
