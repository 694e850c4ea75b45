/** Durable records a second: a C loop, our trail, and what others would use, on one file system and with records of one size. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { verifyTrail } from "../../dist/index.js";
import { contestant } from "./child.mjs";
import { compiledFloor, floor } from "./floor.mjs";
import { demandEqual, goal, race, rounded } from "./measure.mjs";

const BYTES = 840;
const CROWDS = [1, 16, 64, 256];

export const title = `Durable records of ${BYTES} bytes`;

export async function measure({ files, peers, quick }) {
  const folder = mkdtempSync(join(files.folder, "audit-"));
  const scale = quick ? 1 : 4;
  const counts = { 1: 500 * scale, 16: 4_000 * scale, 64: 10_000 * scale, 256: 15_000 * scale };
  const contestants = [...floors(folder, counts), ...(await ours(folder, counts)), ...(await others(folder, counts, peers))];
  const records = new Map(contestants.map((each) => [each.name, each.records]));
  const check = (answer, who) => { demandEqual(answer, { records: records.get(who) }, who); };
  const raced = await race(contestants, { rounds: quick ? 5 : 15, check });
  const rows = raced.map((row) => ({ ...row, recordsPerS: rounded((records.get(row.name) * 1000) / row.medianMs) }));
  return { rows: withRatios(rows), goals: goalsOf(rows) };
}

function floors(folder, counts) {
  const program = compiledFloor(folder);
  if (program === undefined) return [];
  return CROWDS.map((batch) => floor(floorName(batch), program, folder, { records: counts[batch], batch, bytes: BYTES }));
}

async function ours(folder, counts) {
  const all = CROWDS.map((emitters) => ({ name: ourName(emitters), emitters }));
  all.push({ name: `${ourName(64)}, CRITICAL`, emitters: 64, severity: "CRITICAL" });
  return Promise.all(all.map(async (each) => verified(await counted(each.name, "audit-ours.mjs", { ...each, folder, records: counts[each.emitters] }))));
}

/** The trail is verified here, as the C program's file is: reading it would soil the process that is measured. */
function verified(contestant) {
  const run = async () => {
    const { answer: { dir, records, last }, ...result } = await contestant.run();
    const { ok, records: all, damage } = await verifyTrail(dir);
    if (!ok || last >= all) throw new Error(damage?.message ?? "an acknowledged record is missing");
    return { ...result, answer: { records } };
  };
  return { ...contestant, run };
}

async function others(folder, counts, peers) {
  if (peers === undefined) return [];
  const common = { peers, folder, bytes: BYTES };
  return [
    await counted("better-sqlite3, WAL, FULL", "audit-sqlite.mjs", { ...common, records: counts[1], batch: 1 }),
    await counted("better-sqlite3, 64 in a transaction", "audit-sqlite.mjs", { ...common, records: counts[64], batch: 64 }),
    await counted("pino, sync with fsync", "audit-pino.mjs", { ...common, records: counts[1] }),
    await counted("winston (not durable)", "audit-winston.mjs", { ...common, records: counts[16] }),
  ];
}

async function counted(name, file, options) {
  return { ...(await contestant(name, file, options)), records: options.records };
}

const ourName = (emitters) => `model-loader, ${emitters} emitter${emitters === 1 ? "" : "s"}`;
const floorName = (batch) => (batch === 1 ? "C: write, fdatasync" : `C: ${batch} in a batch`);

/** Each beside the C program that syncs as often. */
function withRatios(rows) {
  const rate = rateIn(rows);
  const batchOf = (name) => Number(/\b(\d+) (?:emitter|in a)/.exec(name)?.[1] ?? 1);
  return rows.map((row) => ({ ...row, ofC: rounded(row.recordsPerS / rate(floorName(batchOf(row.name))), 3) }));
}

function rateIn(rows) {
  return (name) => rows.find((row) => row.name === name)?.recordsPerS ?? Number.NaN;
}

function goalsOf(rows) {
  const rate = rateIn(rows);
  return [
    goal("one emitter >= 0.85 of the C loop", rate(ourName(1)) / rate(floorName(1)), (ratio) => ratio >= 0.85),
    goal("64 emitters >= 0.5 of C with 64 in a batch", rate(ourName(64)) / rate(floorName(64)), (ratio) => ratio >= 0.5),
    goal("64 emitters >= 20 x one at a time", rate(ourName(64)) / rate(ourName(1)), (ratio) => ratio >= 20),
  ];
}
