/** The digests' own speed on one core, data in memory: what no reading and no thread can exceed. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { goal, rounded } from "./measure.mjs";

export const title = "Digests in memory, one core";

export async function measure({ example }) {
  const { stdout } = await promisify(execFile)(join(example("digest@0.1.0", "lanes"), "lanes"));
  const found = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const one = rate(found, "sha256 one stream");
  const rows = found.map(({ what, gbPerSecond }) => ({ name: what, gbPerS: gbPerSecond, timesOne: rounded(gbPerSecond / one, 3) }));
  const times = (name) => rate(found, name) / one;
  const goals = [
    goal("2 streams >= 1.45 x one", times("sha256 2 streams"), (value) => value >= 1.45),
    goal("4 streams >= 1.68 x one", times("sha256 4 streams"), (value) => value >= 1.68),
    goal("16 streams >= 2 x one", times("sha256 16 streams"), (value) => value >= 2),
    goal("BLAKE3 tiles >= 3.3 x one", times("blake3 tiles"), (value) => value >= 3.3),
  ];
  return { rows, goals };
}

function rate(found, name) {
  return found.find(({ what }) => what === name)?.gbPerSecond ?? Number.NaN;
}
