/** Split models: independent digests fill the waiting of one stream's instructions, so a set is faster than one file of its size. */
import { demandEqual, goal, medianOf, race, rounded } from "./measure.mjs";
import { modelSize, timed } from "./pass.mjs";

const GB = 1e9;
const PARTS = [1, 2, 4, 8, 16];
const GOALS = new Map([[4, 2.7], [8, 3.2]]);
const PEAK_MB_MAX = 64;

export const title = "Split models, warm: all parts at once";

export async function measure({ files, quick, rounds = quick ? 5 : 9, example }) {
  const binary = example("verify", "pass");
  const tables = [];
  for (const parts of PARTS) {
    const model = made(files, modelSize((quick ? 1 : 4) * GB), parts);
    tables.push({ parts, rows: await ofModel(model, parts, binary, rounds) });
    files.drop(model);
  }
  return { rows: tables.flatMap(({ rows }) => rows), goals: tables.flatMap(goalsOf) };
}

/** One part is a file like any other. */
function made(files, bytes, parts) {
  return parts === 1 ? files.written(bytes) : files.split(bytes, parts);
}

async function ofModel({ path, bytes, sha256 }, parts, binary, rounds) {
  const contestants = [
    { name: "REF: pread + SHA-NI, one thread", run: () => timed(binary, ["ref", path], "sha256") },
    { name: "model-loader", run: () => timed(binary, [parts === 1 ? "flat" : "set", path], "sha256") },
  ];
  const rows = await race(contestants, { rounds, check: (answer, who) => { demandEqual(answer, sha256, who); } });
  const reference = rows[0].medianMs;
  return rows.map((row) => ({ parts, ...row, gbPerS: rounded(bytes / row.medianMs / 1e6, 3), timesRef: rounded(reference / row.medianMs, 3) }));
}

function goalsOf({ parts, rows }) {
  const times = medianOf(rows, "REF: pread + SHA-NI, one thread") / medianOf(rows, "model-loader");
  const least = GOALS.get(parts);
  const peak = rows.find(({ name }) => name === "model-loader").peakRssMb;
  return [
    ...(least === undefined ? [] : [goal(`${parts} parts >= ${least} x REF`, times, (value) => value >= least)]),
    goal(`${parts} parts: at most ${PEAK_MB_MAX} MB of memory`, peak, (value) => value <= PEAK_MB_MAX),
  ];
}
