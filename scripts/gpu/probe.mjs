/** The addon of test/gpu/probe: raw driver calls in the process of a sealed model. Only this check builds, carries and loads it. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { ROOT, run } from "../command.mjs";

const BUILT = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target", "release/libgpu_probe.so");

/** Without a path the system looks for these. */
const RUNTIMES = ["libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so"];

/** Its file: the one that was named, the one that is there, or one that cargo builds now; undefined where there is none. */
export async function probeFile({ named, build }) {
  if (named !== undefined) return resolve(named);
  if (!build && existsSync(BUILT)) return BUILT;
  const { code } = await run("cargo", ["build", "--locked", "--release", "--package", "gpu-probe"]);
  return code === 0 ? BUILT : undefined;
}

/** On one device, from the thread that calls it. */
export function openProbe({ probe, device }) {
  const module = { exports: {} };
  process.dlopen(module, probe);
  return module.exports.open(device.index);
}

/** Lets the probe allocate as an engine does; says by what. */
export function useRuntime(probe, cudart) {
  let why = "none found";
  for (const library of cudart === undefined ? RUNTIMES : [cudart]) {
    try {
      return `cudaMalloc of ${library} (${probe.useRuntime(library)})`;
    } catch ({ message }) {
      // One that is there and will not start says more than one that is not there.
      if (!message.endsWith("missing")) why = `${library}: ${message}`;
    }
  }
  return `cuMemAlloc, which is what cudaMalloc calls (no runtime: ${why})`;
}
