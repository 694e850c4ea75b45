/** Verifying and reading a trail of a million records. */
import { mkdtempSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { AuditLog } from "../../dist/index.js";
import { loadedEvent } from "./audit-events.mjs";
import { contestant } from "./child.mjs";
import { demandEqual, goal, medianOf, race, rounded } from "./measure.mjs";

const VERIFY = "model-loader verifyTrail";
/** One of each batch is CRITICAL: what is asked for. */
const BATCH = 1000;

export const title = "A trail of a million records";

export async function measure({ files, quick }) {
  const dir = join(mkdtempSync(join(files.folder, "read-")), "trail");
  const events = quick ? 100_000 : 1_000_000;
  const records = await writeTrail(dir, events);
  const bytes = readdirSync(join(dir, "log")).reduce((sum, name) => sum + statSync(join(dir, "log", name)).size, 0);
  const contestants = [
    await contestant(VERIFY, "audit-read.mjs", { dir, way: "verify" }),
    await contestant("trailRecords, every record parsed", "audit-read.mjs", { dir, way: "read" }),
    await contestant("floor: lines found and hashed, nothing checked", "audit-read.mjs", { dir, way: "floor" }),
    await contestant("queryTrail, one record in a thousand", "audit-read.mjs", { dir, way: "query" }),
    await contestant("the same by grep, unparsed", "audit-read.mjs", { dir, way: "grep" }),
  ];
  const check = ({ records: found, matches }, who) => {
    demandEqual({ found, matches }, matches === undefined ? { found: records } : { matches: events / BATCH }, who);
  };
  const rows = await race(contestants, { rounds: quick ? 3 : 5, check });
  const rated = rows.map((row) => ({ ...row, recordsPerS: rounded((records * 1000) / row.medianMs), mbPerS: rounded(bytes / 1000 / row.medianMs, 3) }));
  return { rows: rated, goals: [goal("verification >= 500,000 records/s", (records * 1000) / medianOf(rows, VERIFY), (rate) => rate >= 500_000)] };
}

/** So many events, and what the trail adds of its own; returns the sum. */
async function writeTrail(dir, events) {
  const log = await AuditLog.open(dir);
  for (let left = events; left > 0; left -= BATCH) {
    await Promise.all(Array.from({ length: Math.min(BATCH, left) }, (_, i) => log.emit(loadedEvent(i, i === 0 ? "CRITICAL" : "INFO"))));
  }
  await log[Symbol.asyncDispose]();
  return log.size;
}
