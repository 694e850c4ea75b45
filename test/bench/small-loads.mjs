/** What one load costs beside its bytes: a model of 10 KB, again and again, with and without an audit trail. */
import { contestant } from "./child.mjs";
import { demandEqual, race, rounded } from "./measure.mjs";

const MODEL_BYTES = 10_240;

export const title = "Small loads (10 KB), disposal included";

export async function measure({ files, quick }) {
  const { path, sha256 } = files.written(MODEL_BYTES);
  const options = { path, sha256, loads: quick ? 200 : 1000 };
  const contestants = [
    await contestant("no audit, one after another", "small-loads.mjs", { ...options, audit: false, together: 1 }),
    await contestant("no audit, 16 at once", "small-loads.mjs", { ...options, audit: false, together: 16 }),
    await contestant("audit, one after another", "small-loads.mjs", { ...options, audit: true, together: 1 }),
    await contestant("audit, 16 at once", "small-loads.mjs", { ...options, audit: true, together: 16 }),
    await contestant("readFileSync + createHash, for comparison", "small-reads.mjs", options),
  ];
  const rows = await race(contestants, { rounds: quick ? 3 : 7, check: (answer, who) => { demandEqual(answer, { loads: options.loads, sha256 }, who); } });
  const each = rows.map((row) => ({ ...row, loadsPerS: rounded((options.loads * 1000) / row.medianMs, 3), usPerLoad: rounded((row.medianMs * 1000) / options.loads, 3) }));
  return { rows: each, goals: [] };
}
