/** A load that is proven by the inode's identity: what it costs does not depend on the file's size. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { demandEqual, goal, rounded } from "./measure.mjs";

const US_MAX = 20;

export const title = "Loads proven by identity, and a bare open for comparison (medians of 2001)";

export async function measure({ files, quick, example }) {
  const binary = join(example("verify", "identity"), "identity");
  const runs = [];
  for (const gib of quick ? [1] : [1, 16]) runs.push(await once(binary, files.folder, gib));
  return { rows: runs.flat(), goals: runs.map(goalOf) };
}

async function once(binary, folder, gib) {
  const { stdout } = await promisify(execFile)(binary, [folder, String(gib)]);
  const found = stdout.trim().split("\n").map((line) => JSON.parse(line));
  demandEqual(found.find(({ what }) => what === "again")?.proof, "identity", "the second load");
  return found.map(({ what, proof, microseconds }) => ({ name: what, gib, proof, us: rounded(microseconds) }));
}

function goalOf(rows) {
  const { gib, us } = rows.find(({ name }) => name === "again");
  return goal(`${gib} GiB: a load proven by identity <= ${US_MAX} µs`, us, (value) => value <= US_MAX);
}
