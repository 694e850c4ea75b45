/** The last place to say that a record was lost, where nobody listens any more. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { compiledLibrary, death, newFolder, startProgram } from "./support.ts";

let home: string;
beforeAll(() => { home = compiledLibrary(); });

/** Loses a record, and says on standard output what its caller was told. */
const LOSE = `
  const log = await AuditLog.open(dir);
  await log[Symbol.asyncDispose]();
  await new Promise((done) => setTimeout(done, 300));
  await log.emit(denial()).catch((failure) => { console.log(failure.reason); });`;

describe("standard error", () => {
  test("gets one JSON line with the event", async () => {
    const { code, stderr } = await death(startProgram(home, newFolder(), LOSE));
    expect(code).toBe(0);
    expect(stderr.trimEnd().split("\n").map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { emergency: "audit record not durable", reason: "closed", event: { type: "PathTraversalAttempt" } },
    ]);
  });

  test("whose reader has gone changes nothing for the caller", async () => {
    const dir = newFolder();
    const child = startProgram(home, dir, LOSE);
    child.stderr?.destroy();
    expect(await death(child)).toMatchObject({ code: 0, signal: null, stdout: "closed\n" });
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  });

  test("that was closed before the process began changes nothing, and nothing lands in the trail", async () => {
    const dir = newFolder();
    const first = startProgram(home, dir, LOSE);
    await death(first);
    const program = first.spawnargs.at(-1) ?? "";
    const { stdout } = await promisify(execFile)("sh", ["-c", 'exec "$0" "$1" 2>&-', process.execPath, program]);
    expect(stdout).toBe("closed\n");
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true, otherFiles: [] });
  });
});
