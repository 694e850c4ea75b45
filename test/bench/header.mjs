/** A header summary: 11 MB, 525,000 strings, 1,000 tensors. */
import { join } from "node:path";
import { contestant } from "./child.mjs";
import { command } from "./command.mjs";
import { demandEqual, goal, medianOf, race, withRatios } from "./measure.mjs";

const PAIRS = 20, TENSORS = 1000, TOKENS = 256_000, MERGES = 269_000, SCALAR_STRINGS = 4;
const EXPECTED = { pairs: PAIRS, tensors: TENSORS, strings: TOKENS + MERGES + SCALAR_STRINGS };
const OURS = "model-loader inspect", FLOOR = "floor: one bare checked walk", FIRST = "floor, the first walk of a process";

export const title = "Header summary of a 256,000-token vocabulary with 1,000 tensors";

export async function measure({ files, peers, floor, quick }) {
  const { path, headerBytes } = files.vocabulary();
  const contestants = [
    await contestant(OURS, "ours-inspect.mjs", { path }),
    ...(floor === undefined ? [] : [bareWalk(FLOOR, 5, floor, path, headerBytes), bareWalk(FIRST, 1, floor, path, headerBytes)]),
    ...(peers === undefined ? [] : await Promise.all([
      contestant("@huggingface/gguf", "huggingface.mjs", { peers, path }),
      contestant("node-llama-cpp readGgufFileInfo", "node-llama-cpp.mjs", { peers, path }),
      contestant("hyllama", "hyllama.mjs", { peers, path, headerBytes }),
    ])),
  ];
  const check = (answer, who) => { demandEqual(answer, EXPECTED, who); };
  const rows = withRatios(await race(contestants, { rounds: quick ? 5 : 21, check }), OURS);
  return { rows, goals: goalsOf(rows) };
}

/**
 * One read and one checked walk that builds nothing, in Rust: what the bytes cost at the least. Keys and names count
 * as strings. Repeated, it reads into memory that it has already; the first time, like ours each time, into new pages.
 */
function bareWalk(name, runs, folder, path, headerBytes) {
  const walk = command(name, join(folder, "bare_walk"), [path, String(runs)], JSON.parse);
  const strings = EXPECTED.strings + PAIRS + TENSORS;
  const run = async () => {
    const { answer: seen } = await walk.run();
    demandEqual([seen.strings, seen.bytes], [strings, headerBytes], name);
    return { ms: seen.median_ms, answer: EXPECTED };
  };
  return { name, run };
}

function goalsOf(rows) {
  const ours = medianOf(rows, OURS);
  return [
    goal(">= 30 x faster than @huggingface/gguf", medianOf(rows, "@huggingface/gguf") / ours, (times) => times >= 30),
    goal(">= 10 x faster than node-llama-cpp", medianOf(rows, "node-llama-cpp readGgufFileInfo") / ours, (times) => times >= 10),
    goal("<= 2 x the bare walk, repeated", ours / medianOf(rows, FLOOR), (times) => times <= 2),
    goal("<= 2 x the bare walk, first", ours / medianOf(rows, FIRST), (times) => times <= 2),
  ];
}
