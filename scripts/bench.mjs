/**
 * Measures the built product against its peers, all in one run, answers checked.
 *
 *     node scripts/bench.mjs [--quick] [--huge] [--only NAME,NAME…] [--rounds N] [--json FILE]
 *
 * Needs node scripts/build.mjs first. Peers are fetched once into a cache outside the repository; without a
 * registry their rows are missing and their goals say "not measured". The full run takes about ten minutes and
 * 10 GB of the temporary folder; --huge measures proofs of whole files with one of 16 GB too, and --rounds says how often
 * proofs are measured. On a busy machine, run it as root under `chrt -f 5`. The JSON goes to test/bench/results/ unless FILE
 * is given.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { stopContestants } from "../test/bench/child.mjs";
import { Files } from "../test/bench/files.mjs";
import { AUDIT_PEERS, PEERS, installAuditPeers, installPeers } from "../test/bench/peers.mjs";
import { printed } from "../test/bench/table.mjs";

const HOME = fileURLToPath(new URL("..", import.meta.url));
const NAMES = [
  "header", "sha256", "loop-delay", "keys", "buffer", "small-loads", "kernels", "passes", "parts", "identity", "cold", "vulkan",
  "audit-write", "audit-latency", "audit-read",
];

async function main() {
  const { quick, huge, only, json, rounds } = options();
  demandBuilt();
  const files = new Files();
  process.once("SIGINT", () => { files.remove(); process.exit(130); });
  const wanted = only ?? NAMES;
  const floor = wanted.includes("header") ? buildFloor() : undefined;
  try {
    const benchmarks = [];
    for (const name of wanted) benchmarks.push(await one(name, { files, quick, huge, rounds, floor, example: buildExample, peers: peersOf(name) }));
    save(json, { date: new Date().toISOString(), quick, machine: machine(), peers: { ...PEERS, ...AUDIT_PEERS }, benchmarks });
  } finally {
    files.remove();
  }
}

/** Installed only where they are measured. */
function peersOf(name) {
  if (name === "header") return installPeers();
  return name === "audit-write" ? installAuditPeers() : undefined;
}

function options() {
  const flag = { type: "boolean", default: false };
  const text = { type: "string" };
  const { values } = parseArgs({ options: { quick: flag, huge: flag, only: text, json: text, rounds: text } });
  const only = values.only?.split(",");
  if (only !== undefined && !only.every((name) => NAMES.includes(name))) throw new Error(`--only knows ${NAMES.join(", ")}`);
  return { ...values, only, rounds: values.rounds === undefined ? undefined : Number(values.rounds) };
}

function demandBuilt() {
  if (!existsSync(join(HOME, "dist/index.js"))) throw new Error("nothing is built yet; run: node scripts/build.mjs");
}

/** The bare walk that the header's goal is counted in. */
function buildFloor() {
  try {
    return buildExample("gguf", "bare_walk");
  } catch (error) {
    console.error(`skipped: ${error.message}`);
    return undefined;
  }
}

/** Builds an example of a crate; the folder that it lies in. */
function buildExample(crate, name) {
  const args = ["build", "--release", "--package", crate, "--example", name, "--quiet", "--message-format", "json-render-diagnostics"];
  const { status, stdout } = spawnSync("cargo", args, { cwd: HOME, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`the example ${name} could not be built`);
  const built = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return dirname(built.find(({ executable, target }) => executable && target?.name === name).executable);
}

async function one(name, context) {
  const { title, measure } = await import(`../test/bench/${name}.mjs`);
  console.log(`\n${title}`);
  const { rows, goals } = await measure(context).finally(stopContestants);
  console.log(printed(rows));
  for (const { goal, value, verdict } of goals) console.log(`  ${verdict}: ${goal}${value === null ? "" : ` (${value})`}`);
  return { name, title, rows, goals };
}

function machine() {
  return { cpu: cpus()[0].model, cores: availableParallelism(), load: loadavg(), memoryGb: Math.round(totalmem() / 1e9), platform: `${process.platform} ${process.arch}`, node: process.version };
}

function save(path, results) {
  const file = path ?? join(HOME, "test/bench/results", `${results.date.replaceAll(":", "-")}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  console.log(`\nwritten: ${file}`);
}

await main().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
