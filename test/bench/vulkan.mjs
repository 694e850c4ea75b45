/**
 * Digests by the Vulkan backend, of bytes that lie on the device, on the first device that the system's loader offers: a GPU, or
 * lavapipe where the environment names it (VK_DRIVER_FILES). The program compares each root with the processor's.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { goal, rounded } from "./measure.mjs";

const GB = 1e9;
const MIB = 2 ** 20;
/** What lavapipe is to do on two cores; a GPU does a thousand times as much. */
const GB_PER_S_MIN = 1;

export const title = "BLAKE3 by Vulkan, data on the device";

export async function measure({ quick, example }) {
  const binary = join(example("vram", "vulkan"), "vulkan");
  const rows = [];
  for (const mib of quick ? [128] : [128, 1024]) rows.push(await row(binary, mib * MIB));
  const found = rows.flat();
  const best = Math.max(...found.map(({ gbPerS }) => gbPerS));
  return { rows: found, goals: [goal(`>= ${GB_PER_S_MIN} GB/s`, found.length === 0 ? Number.NaN : best, (value) => value >= GB_PER_S_MIN)] };
}

async function row(binary, bytes) {
  const { device } = await run(binary, ["devices"]).catch(() => ({}));
  if (device === undefined) {
    console.error("skipped: no Vulkan device");
    return [];
  }
  const seconds = await run(binary, ["speed", String(bytes)]);
  const rate = (name) => rounded(bytes / GB / Number(seconds[name]), 3);
  return [{
    name: device, mib: bytes / MIB, gbPerS: rate("hash-seconds"), gbPerSByDevice: rate("device-seconds"),
    gbPerCpuS: rate("cpu-seconds"), uploadGbPerS: rate("upload-seconds"), openMs: rounded(Number(seconds["open-seconds"]) * 1000, 3),
  }];
}

/** The last value of each name that it printed. */
async function run(binary, args) {
  const { stdout } = await promisify(execFile)(binary, args);
  return Object.fromEntries(stdout.split("\n").map((line) => line.split(/ (.*)/s)).map(([name, value]) => [name, value]));
}
