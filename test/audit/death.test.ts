/** Processes that end while others look on: acknowledgements, locks, standard error. The ways to die are in death-table.test.ts. */
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

describe("a process", () => {
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
