/**
 * Everything about GPU memory, for real, on a machine with an NVIDIA GPU: how fast it is hashed, what stores, copies and flipped
 * bytes lead to, seals and the evidence at each level, engines' weights, a scrub. Prints a line for each finding as it comes, beside
 * what was predicted, then the figures as one line of JSON, or where they are kept.
 *
 *     node scripts/gpu-check.mjs                  builds the addon and the probe, then all of it
 *     node scripts/gpu-check.mjs --built          with the addon that is there, and the probe that is there or cargo builds
 *     node scripts/gpu-check.mjs --minutes 8      as long as it may take (default 8): what is worth most comes first
 *     node scripts/gpu-check.mjs --gigabytes 8    the sealed model's size (default 4, or half of what is free)
 *     node scripts/gpu-check.mjs --out FILE       the JSON, whole at every moment; else test/bench/gpu/DEVICE.json for a real device
 *     node scripts/gpu-check.mjs --cudart FILE    the CUDA runtime whose cudaMalloc an engine would call; else what the system finds
 *     node scripts/gpu-check.mjs --probe FILE     the addon of test/gpu/probe, built elsewhere
 *     node scripts/gpu-check.mjs --carry DIR [--node FILE] [--cudart FILE]
 *         builds, then gathers in DIR what a machine without Rust and without a registry needs: `sh DIR/run.sh --out FILE`
 *
 * Without a GPU it says so and counts as skipped. A speed below its goal is told and is no failure.
 * Ends with one line: N passed, N failed[, N skipped].
 */
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, run } from "./command.mjs";
import { carry } from "./gpu/carry.mjs";
import { Conductor } from "./gpu/conduct.mjs";
import { probeFile } from "./gpu/probe.mjs";
import { Report } from "./gpu/report.mjs";
import { FIND, STEPS } from "./gpu/steps.mjs";
import { gigabytes } from "./gpu/text.mjs";

const text = { type: "string" };
const { values: options } = parseArgs({
  options: { built: { type: "boolean", default: false }, minutes: text, gigabytes: text, out: text, cudart: text, probe: text, carry: text, node: text },
});
const minutes = positive("minutes", 8);
const askedBytes = positive("gigabytes", 4) * 1e9;

/** Below this a device is no device for models, and runs on a processor. */
const SMALL_DEVICE_BYTES = 1e9;
/** Of the models that steps seal which need no large one. */
const SMALL_MODEL_BYTES = 256e6;
const TINY_MODEL_BYTES = 4e6;

process.exitCode = await main();

async function main() {
  if (!options.built && (await run(process.execPath, ["scripts/build.mjs"])).code !== 0) return 1;
  const probe = () => probeFile({ named: options.probe, build: !options.built });
  if (options.carry !== undefined) return carry({ into: resolve(options.carry), probe: await probe(), node: options.node, cudart: options.cudart });
  const folder = mkdtempSync(join(tmpdir(), "model-loader-gpu-"));
  const report = new Report();
  if (options.out !== undefined) report.file = resolve(options.out);
  const conductor = new Conductor(folder, (message) => { report.take(message); });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => { interrupted({ conductor, report, folder }); });
  try {
    return await check({ conductor, report, folder, probe });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function check({ conductor, report, folder, probe }) {
  await conductor.run(FIND, {});
  const { device, absent } = report.figures;
  if (device === undefined) {
    if (absent !== undefined) report.take({ kind: "skip", name: "no NVIDIA GPU here", text: absent });
    return report.end();
  }
  if (device.name !== "Driver Double") report.file ??= join(ROOT, "test/bench/gpu", `${device.name.replaceAll(/[^A-Za-z0-9.-]+/gu, "-")}.json`);
  console.log(`${device.name} ${device.uuid}, driver ${device.driver}, ${gigabytes(device.totalBytes)}`);
  const context = { device, probe: await probe(), cudart: options.cudart && resolve(options.cudart), ...sizes(device, folder) };
  conductor.begin(minutes);
  for (const step of STEPS) await conductor.run(step, context);
  return report.end();
}

/** What was asked for, as far as the device and the disk have room. */
function sizes({ freeBytes = 0 }, folder) {
  const { bavail, bsize } = statfsSync(folder);
  const small = freeBytes < SMALL_DEVICE_BYTES;
  const bytes = small ? TINY_MODEL_BYTES : Math.floor(Math.min(askedBytes, freeBytes / 2, bavail * bsize / 2));
  return { small, bytes, smallBytes: Math.min(bytes, SMALL_MODEL_BYTES) };
}

/** What was found until now is in the file. */
function interrupted({ conductor, report, folder }) {
  conductor.stop();
  report.save();
  rmSync(folder, { recursive: true, force: true });
  process.exit(130);
}

function positive(name, otherwise) {
  const value = Number(options[name] ?? otherwise);
  if (!(value > 0)) throw new TypeError(`--${name} must be a number above 0, such as ${otherwise}`);
  return value;
}
