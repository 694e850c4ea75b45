/** A model that is in memory already: how fast it is judged, and what that does to the event loop. */
import { contestant } from "./child.mjs";
import { demandEqual, goal, medianOf, race, rounded, withRatios } from "./measure.mjs";

const BYTES = 2 ** 30;

export const title = "A buffer of 1 GiB judged";

export async function measure({ files, quick }) {
  const { path, sha256 } = files.written(BYTES);
  const ways = [["model-loader validateBytes", "ours"], ["crypto.subtle.digest (copies)", "subtle"], ["createHash().update (blocks the loop)", "createHash"]];
  const contestants = [];
  for (const [name, way] of ways) contestants.push(await contestant(name, "buffer.mjs", { way, path }));
  const rows = withRatios(await race(contestants, { rounds: quick ? 3 : 7, check: (answer, who) => { demandEqual(answer, sha256, who); } }), ways[0][0]);
  const shown = rows.map((row) => ({ ...row, gbPerS: rounded(BYTES / row.medianMs / 1e6, 3) }));
  return { rows: shown, goals: [goal("longest delay below 10 ms", rows[0].delayMaxMs, (ms) => ms < 10), goal("median below twice createHash's", medianOf(rows, ways[0][0]) / medianOf(rows, ways[2][0]), (times) => times < 2)] };
}
