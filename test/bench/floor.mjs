/** The C program that says what the disk allows, compiled when it is needed. */
import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const SOURCE = fileURLToPath(new URL("audit-floor.c", import.meta.url));
const NO_HASH = "0".repeat(64);

/** The program's path, or undefined where there is no C compiler. */
export function compiledFloor(folder) {
  const program = join(folder, "audit-floor");
  const { status, error, stderr } = spawnSync("cc", ["-O2", "-o", program, SOURCE, "-ldl"], { encoding: "utf8" });
  if (status === 0) return program;
  console.error(`skipped: the C floor could not be compiled: ${error?.message ?? stderr.trim().split("\n")[0]}`);
  return undefined;
}

/** The contestant: a new file each round, timed by itself, read back and chained anew. */
export function floor(name, program, folder, { records, batch, bytes }) {
  let round = 0;
  const run = async () => {
    const path = join(folder, `floor-${batch}-${round++}`);
    const { stdout } = await promisify(execFile)(program, [path, records, batch, bytes].map(String));
    const { ms, chained, head } = JSON.parse(stdout);
    if (!chained) console.error(`${name}: no libcrypto, so the C loop has no chain to hash`);
    const answer = { records: recordsIn(path, chained, head) };
    rmSync(path);
    return { ms, answer };
  };
  return { name, records, run };
}

function recordsIn(path, chained, head) {
  let previous = NO_HASH;
  const lines = readFileSync(path, "latin1").trimEnd().split("\n");
  for (const line of lines) {
    if (!line.endsWith(`,"prev":"${previous}"}`)) throw new Error(`${path} is not chained`);
    if (chained) previous = createHash("sha256").update(line).digest("hex");
  }
  if (previous !== head) throw new Error(`${path} does not end with the head that was printed`);
  return lines.length;
}
