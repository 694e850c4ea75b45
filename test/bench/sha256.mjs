/** SHA-256 of a whole file that lies in the page cache. */
import { available, command } from "./command.mjs";
import { contestant } from "./child.mjs";
import { demandEqual, goal, medianOf, race, rounded, withRatios } from "./measure.mjs";

const GIBIBYTE = 2 ** 30;

export const title = "SHA-256 of a whole file, warm";

export async function measure({ files, quick }) {
  const { path, sha256, bytes } = files.written((quick ? 2 : 4) * GIBIBYTE);
  const contestants = [
    await contestant("model-loader load", "ours-load.mjs", { path, sha256 }),
    await contestant("node stream, defaults", "node-hash.mjs", { way: "stream", path }),
    await contestant("node stream, 1 MiB", "node-hash.mjs", { way: "stream-1MiB", path }),
    await contestant("node readSync 1 MiB (blocks the loop)", "node-hash.mjs", { way: "readSync-1MiB", path }),
    ...(await tools(path)),
  ];
  const check = (answer, who) => { demandEqual(answer, sha256, who); };
  const rows = withRatios(await race(contestants, { rounds: quick ? 3 : 7, check }), "model-loader load");
  return { rows: rows.map((row) => ({ ...row, gbPerS: rounded(bytes / row.medianMs / 1e6, 3) })), goals: goalsOf(rows) };
}

async function tools(path) {
  const digest = (stdout) => /[0-9a-f]{64}/.exec(stdout)?.[0];
  const candidates = [
    command("sha256sum", "sha256sum", [path], digest),
    command("openssl dgst -sha256", "openssl", ["dgst", "-sha256", path], digest),
  ];
  const there = await Promise.all([available("sha256sum", ["--version"]), available("openssl", ["version"])]);
  return candidates.filter((_, index) => there[index]);
}

function goalsOf(rows) {
  const ours = medianOf(rows, "model-loader load");
  return [
    goal(">= 2.4 x Node's default stream", medianOf(rows, "node stream, defaults") / ours, (times) => times >= 2.4),
    goal(">= 1.0 x openssl dgst", medianOf(rows, "openssl dgst -sha256") / ours, (times) => times >= 1),
    goal(">= 3 x sha256sum", medianOf(rows, "sha256sum") / ours, (times) => times >= 3),
  ];
}
