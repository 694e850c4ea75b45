/** Duplicate checks at the size where quadratic ones take half a minute. */
import { contestant } from "./child.mjs";
import { demandEqual, goal, medianOf, race } from "./measure.mjs";

const COUNT = 200_000;

export const title = "200,000 distinct names judged";

export async function measure({ files, quick }) {
  const limits = { metadataPairs: 2 * COUNT, tensors: 2 * COUNT, indexBytes: 2 ** 30 };
  const contestants = [
    await contestant("200,000 metadata keys", "ours-inspect.mjs", { path: files.manyKeys(COUNT).path, limits }),
    await contestant("200,000 tensors", "ours-inspect.mjs", { path: files.manyTensors(COUNT).path, limits }),
  ];
  const check = ({ pairs, tensors }, who) => {
    demandEqual([pairs, tensors], who.includes("keys") ? [COUNT, 0] : [0, COUNT], who);
  };
  const rows = await race(contestants, { rounds: quick ? 5 : 21, check });
  return { rows, goals: rows.map(({ name }) => goal(`${name} below 100 ms`, medianOf(rows, name), (ms) => ms < 100)) };
}
