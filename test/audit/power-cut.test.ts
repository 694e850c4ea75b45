/**
 * The power goes while a trail is written: what was acknowledged is there when the disk is mounted again, and the trail goes on.
 *
 * A process writes on a loop disk and says which records were acknowledged. It is stopped at a moment of chance, and the disk is
 * copied as it is then. POWER_CUTS=200 makes as many trials a file system instead of a few.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { LoopDisk } from "../support/loop-disk.ts";
import type { FileSystem } from "../support/loop-disk.ts";
import { compiledLibrary, death, recordsOf, startProgram } from "./support.ts";

const TRIALS = Number(process.env["POWER_CUTS"] ?? 5);
const WRITES_MS_MAX = 250;

/** Small segments and many checkpoints, so that the cut falls on rotations and on tiles as well. */
const OPTIONS = "{ segmentBytes: 16384, checkpoints: { everyRecords: 16 } }";
/** Syncs that do nothing: what a library would be that forgot them. */
const UNSYNCED = `{ ${OPTIONS.slice(2, -2)}, fs: { ...fs, fdatasyncSync() {}, fsyncSync() {}, fdatasync(fd, done) { setImmediate(done, null); } } }`;

const program = (options: string): string => `
  import * as fs from "node:fs";
  const log = await AuditLog.open(dir, ${options});
  const emitter = async (name) => {
    for (let i = 0; ; i += 1) {
      const id = name + "-" + i;
      const { seq } = await log.emit(i % 2 ? loaded(id) : denial(id));
      fs.writeSync(1, seq + " " + id + "\\n");
    }
  };
  await Promise.all(["a", "b", "c", "d", "e"].map(emitter));`;

interface Acknowledged {
  readonly seq: number;
  readonly corr: string;
}

let home: string;
let library: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "power-cut-"));
  library = compiledLibrary();
});
afterAll(() => {
  for (const folder of [home, library]) rmSync(folder, { recursive: true, force: true });
});

describe.each<FileSystem>(["ext4", "xfs", "btrfs"])("on %s", (kind) => {
  test("every acknowledged record survives the cut, and the trail goes on behind it", async (ctx) => {
    const formatted = LoopDisk.format(home, kind);
    if (typeof formatted === "string") return ctx.skip(`no ${kind} disk here: ${formatted}`);
    let survived = 0;
    for (let trial = 0; trial < TRIALS; trial += 1) {
      const { acknowledged, found } = await trialOn(formatted.image, OPTIONS, reopened);
      expect(acknowledged.length).toBeGreaterThan(0);
      for (const { seq, corr } of acknowledged) expect(found[seq]).toMatchObject({ seq, corr });
      survived += acknowledged.length;
    }
    expect(survived).toBeGreaterThan(TRIALS);
  }, 60_000 + TRIALS * 5_000);
});

test("the cut takes acknowledged records where syncs do nothing, so these trials can fail", async (ctx) => {
  const formatted = LoopDisk.format(home, "ext4");
  if (typeof formatted === "string") return ctx.skip(`no ext4 disk here: ${formatted}`);
  const { acknowledged, found } = await trialOn(formatted.image, UNSYNCED, (dir) => Promise.resolve(recordsIfAny(dir)));
  expect(acknowledged.filter(({ seq, corr }) => found[seq]?.["corr"] !== corr).length).toBeGreaterThan(0);
}, 60_000);

interface Trial {
  readonly acknowledged: readonly Acknowledged[];
  readonly found: readonly Readonly<Record<string, unknown>>[];
}

async function trialOn(image: string, options: string, look: (dir: string) => Promise<Trial["found"]>): Promise<Trial> {
  const before = LoopDisk.copyOf(image, home, "before");
  const child = startProgram(library, join(before.folder, "trail"), program(options));
  const ended = death(child);
  await Promise.race([ended, new Promise((begun) => child.stdout?.once("data", begun))]);
  await new Promise((later) => setTimeout(later, Math.random() * WRITES_MS_MAX));
  child.kill("SIGSTOP");
  const cut = before.cut(home, "after");
  child.kill("SIGKILL");
  const { stdout, stderr } = await ended;
  before.remove();
  const after = cut.mount();
  try {
    expect(stderr).toBe("");
    return { acknowledged: acknowledgedIn(stdout), found: await look(join(after.folder, "trail")) };
  } finally {
    after.remove();
  }
}

/** What was said up to the last whole line. */
function acknowledgedIn(stdout: string): Acknowledged[] {
  return stdout.split("\n").slice(0, -1).map((line) => {
    const [seq, corr = ""] = line.split(" ");
    return { seq: Number(seq), corr };
  });
}

async function reopened(dir: string): Promise<Trial["found"]> {
  await using log = await AuditLog.open(dir);
  await log[Symbol.asyncDispose]();
  expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
  const bySeq: Record<string, unknown>[] = [];
  for (const record of recordsOf(dir)) bySeq[record.seq] = record;
  return bySeq;
}

function recordsIfAny(dir: string): Trial["found"] {
  try {
    return recordsOf(dir);
  } catch (failure) {
    // Not even the folder was kept, or a line was torn.
    if (failure instanceof Error) return [];
    throw failure;
  }
}
