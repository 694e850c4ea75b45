/** Gathers what the check needs on a machine without Rust and without a registry. */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { constants, gzipSync } from "node:zlib";
import { ROOT } from "../command.mjs";

/** What may be carried. */
const BYTES_MAX = 64 << 20;
/** Of the checkout; of dist, what runs. */
const OURS = ["package.json", "dist", "scripts/command.mjs", "scripts/tally.mjs", "scripts/gguf-bytes.mjs", "scripts/gpu-check.mjs", "scripts/gpu"];
const NEEDLESS = /\.(?:d\.ts|map)$/u;
const DEPENDENCIES = ["prom-client"];

const RUN = `#!/bin/sh
# Everything about GPU memory, with what lies beside this file. Options: the head of scripts/gpu-check.mjs. Paths are best absolute.
set -eu
cd "$(dirname "$0")"
node=node
if [ -f bin/node.gz ]; then
  node=bin/node
  [ -x bin/node ] || { gzip -dc bin/node.gz >bin/node.new; chmod 755 bin/node.new; mv bin/node.new bin/node; }
fi
for library in cudart/*; do
  [ -f "$library" ] && set -- --cudart "$library" "$@"
done
exec "$node" scripts/gpu-check.mjs --built --probe gpu_probe.node "$@"
`;

/** @returns {number} the exit code */
export function carry({ into, probe, node, cudart }) {
  if (probe === undefined) {
    console.error("gpu-check: the probe could not be built");
    return 1;
  }
  if (existsSync(into) && readdirSync(into).length > 0 && !existsSync(join(into, "run.sh"))) {
    console.error(`gpu-check: ${into} holds something else`);
    return 1;
  }
  rmSync(into, { recursive: true, force: true });
  for (const name of OURS) put(join(ROOT, name), join(into, name));
  for (const folder of packages(DEPENDENCIES)) put(folder, join(into, relative(ROOT, folder)));
  put(probe, join(into, "gpu_probe.node"));
  if (cudart !== undefined) put(cudart, join(into, "cudart", basename(cudart)));
  if (node !== undefined) putNode(node, join(into, "bin/node.gz"));
  writeFileSync(join(into, "run.sh"), RUN);
  chmodSync(join(into, "run.sh"), 0o755);
  return judge(into);
}

function put(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, dereference: true, filter: (path) => !NEEDLESS.test(path) });
}

/** gzip is on every machine. */
function putNode(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, gzipSync(readFileSync(from), { level: constants.Z_BEST_COMPRESSION }));
}

/** The packages' folders, and those of what they need, where Node finds them. */
function packages(names, from = join(ROOT, "package.json"), found = new Set()) {
  for (const name of names) {
    const folder = createRequire(from).resolve.paths(name).map((path) => join(path, name)).find((path) => existsSync(join(path, "package.json")));
    if (folder === undefined) throw new Error(`${name} is not installed`);
    if (found.has(folder)) continue;
    found.add(folder);
    const manifest = join(folder, "package.json");
    packages(Object.keys(JSON.parse(readFileSync(manifest, "utf8")).dependencies ?? {}), manifest, found);
  }
  return found;
}

function judge(into) {
  const bytes = readdirSync(into, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
  const small = bytes <= BYTES_MAX;
  console.log(`${into}: ${(bytes / (1 << 20)).toFixed(1)} MiB${small ? "" : `, more than the ${BYTES_MAX >> 20} that may be carried`}; there: sh ${basename(into)}/run.sh --minutes 8 --out "$PWD/gpu.json"`);
  return small ? 0 : 1;
}
