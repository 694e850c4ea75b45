/**
 * The ways to prove a whole file, against the yardstick: one thread that reads 1 MiB and hashes it, over and over.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contestant } from "./child.mjs";
import { available, command } from "./command.mjs";
import { demandEqual, goal, medianOf, race, rounded } from "./measure.mjs";
import { modelSize, pass, timed } from "./pass.mjs";

const GB = 1e9;
const PEAK_MB_MAX = 64;

export const title = "Proofs of a whole file, warm: SHA-256, both digests, tiles under a record";

export async function measure({ files, quick, huge, rounds = quick ? 5 : 9, example }) {
  const binary = example("verify", "pass");
  const records = mkdtempSync(join(tmpdir(), "model-loader-records-"));
  try {
    const sizes = [0.1 * GB, ...(quick ? [1 * GB] : [1 * GB, 4 * GB]), ...(huge ? [16 * GB] : [])];
    const tables = [];
    for (const size of sizes) tables.push(await ofSize({ file: files.written(modelSize(size)), binary, records, rounds, peers: size === sizes.at(-1) }));
    return { rows: tables.flat(), goals: tables.flatMap(goalsOf) };
  } finally {
    rmSync(records, { recursive: true });
  }
}

async function ofSize({ file: { path, bytes, sha256 }, binary, records, rounds, peers }) {
  const folder = join(records, String(bytes));
  const ways = [
    ["REF: pread + SHA-NI, one thread", ["ref", path], "sha256"],
    ["flat SHA-256", ["flat", path], "sha256"],
    ["both digests", ["both", path], "sha256"],
    ["tiles under a record", ["recorded", path, folder], "tiles"],
  ];
  // The record is there before the race, as it is at a later load.
  await pass(binary, ["recorded", path, folder]);
  if (readdirSync(folder).length !== 1) throw new Error("no record was made");
  const contestants = ways.map(([name, args, by]) => ({ name, run: () => timed(binary, args, by) }));
  if (peers) contestants.push(...(await others(path, sha256)));
  const check = (answer, who) => { if (answer !== undefined) demandEqual(answer, sha256, who); };
  const rows = await race(contestants, { rounds, check });
  const reference = medianOf(rows, ways[0][0]);
  return rows.map((row) => ({ gb: rounded(bytes / GB, 3), ...row, gbPerS: rounded(bytes / row.medianMs / 1e6, 3), timesRef: rounded(reference / row.medianMs, 3) }));
}

/** What people use today. b3sum computes another digest; it says how fast the tiles could be. */
async function others(path, sha256) {
  const digest = (stdout) => /[0-9a-f]{64}/.exec(stdout)?.[0];
  const tools = [
    ["sha256sum", command("sha256sum", "sha256sum", [path], digest)],
    ["b3sum", command("b3sum (whole process, its own digest)", "b3sum", [path], () => undefined)],
  ];
  const there = await Promise.all(tools.map(([tool]) => available(tool, ["--version"])));
  return [
    await contestant("model-loader load (Node)", "ours-load.mjs", { path, sha256 }),
    await contestant("Node stream, defaults", "node-hash.mjs", { way: "stream", path }),
    ...tools.filter((_, index) => there[index]).map(([, tool]) => tool),
  ];
}

function goalsOf(rows) {
  const { gb } = rows[0];
  // Below a second a process's start and its threads' weigh too much for a ratio.
  if (gb < 1) return [peakGoal(rows, gb)];
  const times = (name) => rows.find((row) => row.name === name)?.timesRef ?? Number.NaN;
  return [
    goal(`${gb} GB: flat SHA-256 >= 1.03 x REF`, times("flat SHA-256"), (value) => value >= 1.03),
    goal(`${gb} GB: both digests >= 1.0 x REF`, times("both digests"), (value) => value >= 1),
    goal(`${gb} GB: tiles under a record >= 6 x REF`, times("tiles under a record"), (value) => value >= 6),
    goal(`${gb} GB: both digests >= 3 x sha256sum`, medianOf(rows, "sha256sum") / medianOf(rows, "both digests"), (value) => value >= 3),
    goal(`${gb} GB: both digests >= 2.4 x Node's default stream`, medianOf(rows, "Node stream, defaults") / medianOf(rows, "both digests"), (value) => value >= 2.4),
    peakGoal(rows, gb),
  ].filter(({ verdict }) => verdict !== "not measured");
}

function peakGoal(rows, gb) {
  const ours = rows.filter(({ name }) => ["flat SHA-256", "both digests", "tiles under a record"].includes(name));
  const peak = Math.max(...ours.map(({ peakRssMb }) => peakRssMb));
  return goal(`${gb} GB: at most ${PEAK_MB_MAX} MB of memory`, peak, (value) => value <= PEAK_MB_MAX);
}
