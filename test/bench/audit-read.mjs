/** Verifying and reading a trail of a million records. */
import { mkdtempSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { AuditLog } from "../../dist/index.js";
import { loadedEvent } from "./audit-events.mjs";
import { contestant } from "./child.mjs";
import { demandEqual, goal, medianOf, race, rounded } from "./measure.mjs";

const VERIFY = "model-loader verifyTrail";
const BATCH = 1000;

export const title = "A trail of a million records";

export async function measure({ files, quick }) {
  const dir = join(mkdtempSync(join(files.folder, "read-")), "trail");
  const records = await writeTrail(dir, quick ? 100_000 : 1_000_000);
  const bytes = readdirSync(join(dir, "log")).reduce((sum, name) => sum + statSync(join(dir, "log", name)).size, 0);
  const contestants = [
    await contestant(VERIFY, "audit-read.mjs", { dir, way: "verify" }),
    await contestant("trailRecords, every record parsed", "audit-read.mjs", { dir, way: "read" }),
    await contestant("floor: lines found and hashed, nothing checked", "audit-read.mjs", { dir, way: "floor" }),
  ];
  const rows = await race(contestants, { rounds: quick ? 3 : 5, check: (answer, who) => { demandEqual(answer, { records }, who); } });
  const rated = rows.map((row) => ({ ...row, recordsPerS: rounded((records * 1000) / row.medianMs), mbPerS: rounded(bytes / 1000 / row.medianMs, 3) }));
  return { rows: rated, goals: [goal("verification >= 500,000 records/s", (records * 1000) / medianOf(rows, VERIFY), (rate) => rate >= 500_000)] };
}

/** So many events, and what the trail adds of its own; returns the sum. */
async function writeTrail(dir, events) {
  const log = await AuditLog.open(dir);
  for (let left = events; left > 0; left -= BATCH) {
    await Promise.all(Array.from({ length: Math.min(BATCH, left) }, (_, i) => log.emit(loadedEvent(i))));
  }
  await log[Symbol.asyncDispose]();
  return log.size;
}
