/** The core without Node, in a process of its own each round: its peak of memory is its own; the time is that of the work inside. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { demandEqual, rounded } from "./measure.mjs";

const execute = promisify(execFile);

/** One timed pass over the file; `expectedBy` is the proof that it must have used. */
export async function timed(binary, args, expectedBy) {
  const { seconds, sha256, by, peakMb, cpuSeconds, sizeBytes } = await pass(binary, args);
  demandEqual(by, expectedBy, args[0]);
  return { ms: seconds * 1000, answer: sha256, peakRssMb: peakMb, cpuSPerGb: rounded(cpuSeconds / (sizeBytes / 1e9), 3) };
}

export async function pass(binary, args) {
  const { stdout } = await execute(join(binary, "pass"), args);
  return JSON.parse(stdout);
}

/** The size of a model that can be: a multiple of 32. */
export function modelSize(bytes) {
  return Math.floor(bytes / 32) * 32;
}
