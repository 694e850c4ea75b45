/** Rotation by day, pruning under a written policy, steps of the clock, and the settings on record. Real files; the clocks are injected. */
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { AuditClock } from "../../lib/audit/clock.ts";
import { NODE_FS } from "../../lib/audit/files.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import type { AuditLogOptions } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { brokenFs, denial, loaded, newFolder, openLog, recordsOf, segmentsOf, systemError } from "./support.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 10, 22);

/** Both clocks go together, unless the wall clock is set. */
class Clock implements AuditClock {
  #passedMs = 0;
  #setMs = 0;
  readonly now = (): number => START_MS + this.#passedMs + this.#setMs;
  readonly hrtime = (): [number, number] => [1_000 + Math.floor(this.#passedMs / 1000), (this.#passedMs % 1000) * 1e6];

  pass(ms: number): void {
    this.#passedMs += ms;
  }

  set(ms: number): void {
    this.#setMs += ms;
  }
}

const namesOf = (dir: string): string[] => segmentsOf(dir).map((path) => basename(path));
const ofType = (dir: string, type: string): ReturnType<typeof recordsOf> => recordsOf(dir).filter((record) => record.type === type);

describe("rotation by day", () => {
  test("begins a new segment with the first record of the new day of UTC, and says why", async () => {
    const clock = new Clock();
    const dir = newFolder();
    const log = await openLog(dir, { clock, rotateDaily: true });
    await log.emit(loaded("evening"));
    clock.pass(DAY_MS / 2);
    await log.emit(loaded("morning"));
    await log.emit(loaded("morning"));
    expect(namesOf(dir)).toHaveLength(2);
    expect(ofType(dir, "AuditRotated")).toMatchObject([{ details: { why: "day" } }]);
    await log[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true });
  });

  test("goes by the resumed segment's last record, also after a restart", async () => {
    const clock = new Clock();
    const dir = newFolder();
    for (const passed of [0, 60_000, DAY_MS / 2]) {
      clock.pass(passed);
      await (await AuditLog.open(dir, { clock, rotateDaily: true }))[Symbol.asyncDispose]();
    }
    expect(namesOf(dir)).toHaveLength(2);
  });

  test("is not done unasked, at an opening either", async () => {
    const clock = new Clock();
    const dir = newFolder();
    for (let i = 0; i < 3; i += 1) {
      await (await AuditLog.open(dir, { clock }))[Symbol.asyncDispose]();
      clock.pass(2 * DAY_MS);
    }
    expect(namesOf(dir)).toHaveLength(1);
  });

  test("is not done unasked; a segment that is full says so", async () => {
    const clock = new Clock();
    const dir = newFolder();
    const log = await openLog(dir, { clock, segmentBytes: 16_384 });
    clock.pass(3 * DAY_MS);
    for (let i = 0; i < 30; i += 1) await log.emit(loaded());
    expect(ofType(dir, "AuditRotated").map(({ details }) => details?.["why"])).toEqual(namesOf(dir).slice(1).map(() => "size"));
    expect(namesOf(dir).length).toBeGreaterThan(1);
  });
});

/** One segment for each of `days`, and the clock at the end of the last. */
async function trailOfDays(days: number, options: AuditLogOptions = {}): Promise<{ dir: string; clock: Clock }> {
  const dir = newFolder();
  const clock = new Clock();
  for (let day = 0; day < days; day += 1) {
    const log = await AuditLog.open(dir, { clock, rotateDaily: true, ...options });
    for (let i = 0; i < 5; i += 1) await log.emit(loaded(`d${day}-${i}`));
    await log[Symbol.asyncDispose]();
    clock.pass(DAY_MS);
  }
  return { dir, clock };
}

describe("pruning", () => {
  test("deletes whole segments that are older than the policy says, each on record, and the rest verifies", async () => {
    const { dir, clock } = await trailOfDays(6);
    const before = namesOf(dir);
    const firsts = before.map((name) => Number(name.slice(0, 20)));
    const log = await openLog(dir, { clock, retention: { days: 2 } });
    const left = namesOf(dir);
    expect(left.length).toBeLessThan(before.length);
    expect(before.slice(-left.length + 1)).toEqual(left.slice(0, -1));
    const cuts = ofType(dir, "AuditPruned");
    expect(cuts.map(({ details }) => details?.["segment"])).toEqual(before.filter((name) => !left.includes(name)));
    expect(ofType(dir, "AuditOpened").at(-1)).toMatchObject({ details: { retentionDays: 2, rotateDaily: true } });
    await log[Symbol.asyncDispose]();
    const report = await verifyTrail(dir);
    expect(report).toMatchObject({ ok: true, closed: true, firstSeq: firsts[cuts.length] });
    expect(recordsOf(dir)[0]).toMatchObject({ seq: report.firstSeq, prev: cuts.at(-1)?.details?.["head"] });
    // And it goes on.
    await (await AuditLog.open(dir, { clock }))[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, records: report.records + 2 });
  });

  test("keeps the log below a size, also while it is written, and never deletes what is written", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { segmentBytes: 16_384, retention: { bytes: 50_000 }, rotateDaily: false, checkpoints: false });
    for (let i = 0; i < 200; i += 1) {
      await log.emit(loaded());
      await new Promise((resolve) => { setImmediate(resolve); });
    }
    const bytes = segmentsOf(dir).reduce((sum, path) => sum + NODE_FS.lstatSync(path).size, 0);
    expect(bytes).toBeLessThan(50_000 + 2 * 16_384);
    await log[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true });
    expect((await verifyTrail(dir)).firstSeq).toBeGreaterThan(50);
  });

  test("does not happen without a policy, nor to what the policy keeps", async () => {
    const { dir, clock } = await trailOfDays(4);
    clock.pass(1_000 * DAY_MS);
    await (await AuditLog.open(dir, { clock }))[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, firstSeq: 0 });
    const kept = await trailOfDays(4);
    await (await AuditLog.open(kept.dir, { clock: kept.clock, retention: { days: 30, bytes: 1e9 } }))[Symbol.asyncDispose]();
    expect(await verifyTrail(kept.dir)).toMatchObject({ ok: true, firstSeq: 0 });
  });

  test("is not brought about by a wall clock that jumps ahead", async () => {
    const { dir, clock } = await trailOfDays(4);
    clock.set(10_000 * DAY_MS);
    await (await AuditLog.open(dir, { clock, retention: { days: 30 } }))[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, firstSeq: 0 });
  });

  test("that ends after any of its deletions leaves a trail that verifies, and the next opening finishes it (double)", async () => {
    for (const deletions of [0, 1, 2]) {
      const { dir, clock } = await trailOfDays(6);
      let left = deletions;
      const fs = brokenFs({ unlinkSync: (path) => { if (left-- <= 0) throw systemError("EIO"); NODE_FS.unlinkSync(path); } });
      await (await AuditLog.open(dir, { clock, retention: { days: 1 }, fs }))[Symbol.asyncDispose]();
      const during = await verifyTrail(dir);
      expect(during).toMatchObject({ ok: true });
      expect(ofType(dir, "AuditPruned").length).toBeGreaterThan(deletions);
      await (await AuditLog.open(dir, { clock, retention: { days: 1 } }))[Symbol.asyncDispose]();
      const after = await verifyTrail(dir);
      expect(after).toMatchObject({ ok: true });
      expect(after.firstSeq).toBeGreaterThan(during.firstSeq);
    }
  });

  test("deletes nothing whose record could not be made durable (double)", async () => {
    const { dir, clock } = await trailOfDays(4);
    const before = namesOf(dir);
    const writeSync = ((...all: Parameters<typeof NODE_FS.writeSync>) => {
      if (all[1].includes("AuditPruned")) throw systemError("EIO");
      return NODE_FS.writeSync(...all);
    }) as typeof NODE_FS.writeSync;
    await (await AuditLog.open(dir, { clock, retention: { days: 1 }, fs: brokenFs({ writeSync }), emergency: () => undefined }))[Symbol.asyncDispose]();
    for (const name of before) expect(existsSync(join(dir, "log", name))).toBe(true);
  });
});

describe("a beginning that is gone without a record of it", () => {
  test("is missing, whoever deleted it", async () => {
    const { dir } = await trailOfDays(3, { checkpoints: false });
    rmSync(segmentsOf(dir)[0] ?? "");
    expect(await verifyTrail(dir)).toMatchObject({ ok: false, damage: { kind: "missing", seq: 0 } });
  });

  test("is missing where more was deleted than the record says", async () => {
    const { dir, clock } = await trailOfDays(6, { checkpoints: false });
    await (await AuditLog.open(dir, { clock, retention: { days: 3 }, checkpoints: false }))[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true });
    rmSync(segmentsOf(dir)[0] ?? "");
    expect(await verifyTrail(dir)).toMatchObject({ ok: false, damage: { kind: "missing", seq: 0 } });
  });

  test("is not made good by another segment's name", async () => {
    const { dir, clock } = await trailOfDays(6, { checkpoints: false });
    await (await AuditLog.open(dir, { clock, retention: { days: 3 }, checkpoints: false }))[Symbol.asyncDispose]();
    const [first = "", second = ""] = segmentsOf(dir);
    renameSync(second, first);
    expect(await verifyTrail(dir)).toMatchObject({ ok: false });
  });
});

describe("a step of the wall clock", () => {
  test.each([[3_600_000], [-7_200_000], [1_500]])("of %d ms is recorded once, before the record that found it", async (ms) => {
    const clock = new Clock();
    const dir = newFolder();
    const log = await openLog(dir, { clock });
    await log.emit(loaded());
    clock.pass(5_000);
    clock.set(ms);
    await log.emit(loaded("after"));
    await log.emit(loaded("after"));
    const steps = ofType(dir, "AuditClockStepped");
    expect(steps).toMatchObject([{ details: { deltaMs: ms, before: new Date(START_MS + 5_000).toISOString(), after: new Date(START_MS + 5_000 + ms).toISOString() } }]);
    expect(recordsOf(dir)[(steps[0]?.seq ?? 0) + 1]).toMatchObject({ corr: "after", time: expect.stringContaining(new Date(START_MS + 5_000 + ms).toISOString().slice(0, 19)) as string });
    expect(BigInt(String(recordsOf(dir).at(-1)?.["mono"])) - BigInt(String(recordsOf(dir)[0]?.["mono"]))).toBe(5_000_000_000n);
  });

  test("is not what slewing makes of a long silence, nor a small correction", async () => {
    const clock = new Clock();
    const dir = newFolder();
    const log = await openLog(dir, { clock });
    clock.pass(10 * DAY_MS);
    clock.set(10 * DAY_MS * 0.0004);
    await log.emit(denial());
    clock.set(900);
    await log.emit(denial());
    expect(ofType(dir, "AuditClockStepped")).toEqual([]);
  });
});

test("each opening records the settings that it runs under", async () => {
  const dir = newFolder();
  await openLog(dir, { segmentBytes: 1_000_000, flood: { equal: 7 }, checkpoints: false, reserveBytes: 0 });
  expect(recordsOf(dir)[0]).toMatchObject({
    type: "AuditOpened",
    details: { segmentBytes: 1_000_000, rotateDaily: false, reserveBytes: 0, flood: "7 1000 5000 60 250", checkpoints: false },
  });
});

test.each([["no object", 5], ["nothing", {}], ["an unknown limit", { hours: 3 }], ["zero days", { days: 0 }]])("a retention of %s is refused", async (_, retention) => {
  await expect(AuditLog.open(newFolder(), { retention: retention as object })).rejects.toThrow(/^retention/);
  expect(readdirSync(join(newFolder(), ".."))).toEqual([]);
});
