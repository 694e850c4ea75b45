/**
 * Real system calls that fail in a real process: strace answers in the kernel's place, and a file size limit makes true short
 * writes. Whatever fails, what was acknowledged is in the trail, what was not was said to be lost, and the trail is whole.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { strace } from "../support/strace.ts";
import { compiledLibrary, death, linesOf, newFolder, segmentsOf, startProgram } from "./support.ts";
import type { AnyRecord, Death } from "./support.ts";

let home: string;
let logs: string;
beforeAll(() => {
  home = compiledLibrary();
  logs = mkdtempSync(join(tmpdir(), "audit-strace-"));
});
afterAll(() => { for (const folder of [home, logs]) rmSync(folder, { recursive: true, force: true }); });

const tracer = strace();

/**
 * Six records, each made durable within the call: strace counts the calls of each thread for itself, and so they stay in one. What
 * became of each, and what the counters say, in one line. No reserve: its own file would be written too.
 */
const PROGRAM = `
  import { Registry } from "prom-client";
  const registry = new Registry();
  const log = await AuditLog.open(dir, { registry, checkpoints: false, reserveBytes: 0 });
  const kept = [], lost = [];
  for (const id of ["r1", "r2", "r3", "r4", "r5", "r6"]) {
    try {
      kept.push({ seq: EMIT(denial(id)).seq, id });
    } catch ({ reason }) {
      lost.push({ id, reason });
      await new Promise((later) => setTimeout(later, 60));
    }
  }
  const { values } = await registry.getSingleMetric("model_loader_audit_critical_emit_failures_total").get();
  const counted = values.reduce((sum, { value }) => sum + value, 0);
  await log[Symbol.asyncDispose]();
  console.log(JSON.stringify({ kept, lost, counted }));`;
const WITHIN_THE_CALL = PROGRAM.replace("EMIT", "log.emitSync");
const AWAITED = PROGRAM.replace("EMIT(denial(id)).seq", "(await log.emit(denial(id))).seq");

interface Outcome {
  readonly kept: readonly { readonly seq: number; readonly id: string }[];
  readonly lost: readonly { readonly id: string; readonly reason: string }[];
  readonly counted: number;
}

/** The files that calls fail on, by the numbers that their names begin with. */
const segment = (dir: string, first: number): string => join(dir, "log", `${String(first).padStart(20, "0")}.jsonl`);

/** Opening writes once and syncs twice: the third write is that of r2, the third sync that of r1. */
const FAULTS: readonly [name: string, faults: readonly string[], files: readonly number[], segments: number, abandoned: string | undefined, lost: readonly string[]][] = [
  ["one sync fails with EIO", ["fdatasync:error=EIO:when=3"], [0], 2, "eio", []],
  ["one sync fails with ENOSPC", ["fdatasync:error=ENOSPC:when=3"], [0], 2, "enospc", []],
  ["every sync of the file from one on fails", ["fdatasync:error=EIO:when=3+"], [0], 2, "eio", []],
  ["the sync of the next file fails too", ["fdatasync:error=EIO:when=3..4"], [0, 1], 3, "eio", ["r1"]],
  ["a write fails with ENOSPC", ["write:error=ENOSPC:when=3"], [0], 2, "enospc", []],
  ["a write fails with EIO", ["write:error=EIO:when=3"], [0], 2, "eio", []],
  ["a write is said to be done and is not", ["write:retval=100:when=3"], [0], 2, "truncated", []],
  ["a write is said to have taken nothing", ["write:retval=0:when=3"], [0], 2, "other", []],
  ["a write is interrupted", ["write:error=EINTR:when=3"], [0], 1, undefined, []],
  ["a sync is interrupted", ["fdatasync:error=EINTR:when=3"], [0], 1, undefined, []],
];

describe("a trail goes on", () => {
  test.for(FAULTS)("where %s", async ([, faults, files, segments, abandoned, lost], ctx) => {
    if (typeof tracer === "string") return ctx.skip(tracer);
    const dir = newFolder();
    const { outcome, stderr, injected } = await traced(dir, faults, files);
    expect(injected).toBeGreaterThan(0);
    expect(outcome.lost.map(({ id }) => id)).toEqual(lost);
    expect(segmentsOf(dir)).toHaveLength(segments);
    expect(storyOf(dir).filter(({ type }) => type === "AuditSegmentAbandoned").map(({ reason }) => reason)).toEqual(
      abandoned === undefined ? [] : Array<string>(segments - 1).fill(abandoned));
    await expectTruth(dir, outcome, stderr);
  });

  test.for(["EMFILE", "EACCES", "EROFS"])("where a new file cannot be had because of %s, as soon as it can", async (code, ctx) => {
    if (typeof tracer === "string") return ctx.skip(tracer);
    const dir = newFolder();
    // The write of r2 fails, and so does the first try to make the next segment; the record is lost and says so.
    const { outcome, stderr, injected } = await traced(dir, ["write:error=EIO:when=3", `openat:error=${code}:when=2`], [0, 2]);
    expect(injected).toBe(2);
    expect(outcome.lost.map(({ id }) => id)).toEqual(["r2"]);
    expect(storyOf(dir).filter(({ type }) => type === "AuditEventsLost")).toMatchObject([{ details: { count: 1, critical: 1 } }]);
    await expectTruth(dir, outcome, stderr);
  });

  test.for(["EIO", "ENOSPC"])("where the second sync of each thread fails with %s", async (code, ctx) => {
    if (typeof tracer === "string") return ctx.skip(tracer);
    const dir = newFolder();
    const { outcome, stderr, injected } = await traced(dir, [`fdatasync:error=${code}:when=2`], [0, 1, 2, 3, 4, 5, 6, 7], AWAITED);
    expect(injected).toBeGreaterThan(0);
    expect(storyOf(dir).filter(({ type }) => type === "AuditSegmentAbandoned").length).toBeGreaterThan(0);
    await expectTruth(dir, outcome, stderr);
  });

  test.each([2_000, 2_600, 3_300, 4_100])("where no file may be longer than %d bytes, so that writes are truly short", async (bytes) => {
    const dir = newFolder();
    const child = startProgram(home, dir, AWAITED, [`--fsize=${bytes}`, process.execPath], "prlimit");
    const { outcome, stderr } = told(await death(child));
    expect(outcome.kept.length).toBeGreaterThan(0);
    await expectTruth(dir, outcome, stderr);
    // Where a write was short there is half a line, and a record that describes it.
    expect((await verifyTrail(dir)).recovered).toBeGreaterThan(0);
  });
});

interface Told {
  readonly outcome: Outcome;
  readonly stderr: string;
}

async function traced(dir: string, faults: readonly string[], files: readonly number[], program = WITHIN_THE_CALL): Promise<Told & { injected: number }> {
  if (typeof tracer === "string") throw new Error(tracer);
  const log = join(logs, `trace-${Math.random().toString(36).slice(2)}`);
  const [tool = "", ...args] = tracer.command(faults, files.map((first) => segment(dir, first)), log);
  const end = told(await death(startProgram(home, dir, program, [...args, process.execPath], tool)));
  return { ...end, injected: readFileSync(log, "latin1").split("(INJECTED)").length - 1 };
}

function told({ stdout, stderr }: Death): Told {
  expect(stdout, stderr).not.toBe("");
  return { outcome: JSON.parse(stdout) as Outcome, stderr };
}

/** Acknowledged is there, lost is said and counted, nothing else is; and the verifier finds nothing wrong. */
async function expectTruth(dir: string, outcome: Outcome, stderr: string): Promise<void> {
  const story = storyOf(dir);
  for (const { seq, id } of outcome.kept) expect(story[seq]).toMatchObject({ seq, corr: id });
  const emergencies = stderr.split("\n").filter((line) => line.startsWith('{"emergency"')).map((line) => JSON.parse(line) as { event: { corr?: string }; reason: string });
  expect(emergencies.map(({ event, reason }) => ({ id: event.corr, reason }))).toEqual(outcome.lost);
  // A sync that failed under a denial counts as well, although the denial was saved in the next file.
  expect(outcome.counted).toBeGreaterThanOrEqual(outcome.lost.length);
  expect(outcome.kept.length + outcome.lost.length).toBe(6);
  expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
}

/** Records as a reader of the whole trail sees them: repeated ones once, bytes that are no record left out. */
function storyOf(dir: string): AnyRecord[] {
  const story: AnyRecord[] = [];
  for (const record of linesOf(dir).flatMap(recordIn)) story[record.seq] = record;
  return story;
}

function recordIn(line: string): AnyRecord[] {
  try {
    return [JSON.parse(line) as AnyRecord];
  } catch {
    // The torn end of a file that was given up.
    return [];
  }
}
