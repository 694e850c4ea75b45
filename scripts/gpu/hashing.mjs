/** How fast the device hashes its own memory: sizes, kernels, compiling. */
import { GOALS, predicted } from "./predicted.mjs";
import { tell } from "./tell.mjs";
import { duration, gigabytes, rate } from "./text.mjs";

const SIZES = [1e9, 8e9, GOALS.largeBytes];
/** What a device that runs on a processor can be asked for. */
const SMALL_BYTES = 1 << 20;

/** Each size that fits, each kernel alone, beside a copy inside the device. */
export async function hashing({ device, small }) {
  const expected = predicted(device);
  // A small device is measured at what it has.
  const sizes = small ? [SMALL_BYTES] : SIZES.filter((bytes) => bytes < (device.freeBytes ?? 0) * 0.9);
  for (const bytes of sizes) {
    const measured = await measure(device, bytes);
    tell.more("hashing", measured);
    const name = gigabytes(bytes);
    if (!tell.check(`hash ${name}`, measured.failure === undefined, measured.failure?.message ?? rate(measured.hashBytesPerSecond))) continue;
    tell.measured(`hash ${name}`, measured.hashBytesPerSecond, "B/s", expected.hash);
    for (const kernel of measured.kernels) tell.measured(`hash ${name}, kernel ${kernel.name}`, kernel.bytesPerSecond, "B/s", expected.kernels[kernel.name]);
    if (measured.copyBytesPerSecond !== undefined) tell.measured(`copy inside the device, ${name}`, measured.copyBytesPerSecond, "B/s", expected.copy);
    goals(bytes, measured.hashBytesPerSecond, bytes === sizes.at(-1));
  }
}

function goals(bytes, bytesPerSecond, largest) {
  if (largest) tell.goal(`hash at ${rate(GOALS.bytesPerSecond)}`, bytesPerSecond >= GOALS.bytesPerSecond, rate(bytesPerSecond));
  const seconds = bytes / bytesPerSecond;
  if (bytes === GOALS.largeBytes) tell.goal(`hash ${gigabytes(bytes)} below ${duration(GOALS.largeSeconds)}`, seconds < GOALS.largeSeconds, duration(seconds));
}

/** What a process waits for before its first hash. The step's environment decides whether the driver may use kernels that it kept. */
export async function compiling({ device, cached }) {
  const started = performance.now();
  const { failure, loadSeconds } = await measure(device, SMALL_BYTES);
  const seconds = (performance.now() - started) / 1000;
  const name = cached ? "kernels from the driver's cache" : "kernels compiled by the driver";
  if (!tell.check(name, failure === undefined && loadSeconds !== undefined, failure?.message ?? "they answer rightly")) return;
  tell.figure(cached ? "loadCachedSeconds" : "loadSeconds", loadSeconds);
  tell.measured(name, loadSeconds, "s", cached ? undefined : predicted(device).jitSeconds);
  tell.measured(cached ? "to the first hash" : "to the first hash, nothing cached", seconds, "s");
}

async function measure(device, bytes) {
  const { native } = await import("../../dist/native.js");
  const policy = { requireEcc: false, requireReadOnly: false, allowUnified: false, headroomBytes: 0, slowPagesMax: 0, slowFactor: 4, triesMax: 3 };
  const control = native.newControl();
  const measured = await native.vramMeasure(bytes, { backend: device.backend, deviceUuid: device.uuid, policy }, control);
  // One that the garbage collector takes before stops the call.
  control.cancel();
  return measured;
}
