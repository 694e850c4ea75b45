/**
 * What devices were expected to do before any was measured: from counted instructions, the memory's bandwidth and the literature.
 * A prediction is a range [least, most]. What it says of a device that nobody reckoned with is nothing.
 */

/** Bytes a second of the kernels that add, and that multiply: bound by arithmetic on the large devices, by memory on the others. */
const HASHING = [
  [/H100|H200/u, 1.46e12, 1.82e12],
  [/A100/u, 0.96e12, 1.195e12],
  [/B200/u, 1.73e12, 2.15e12],
  [/RTX 5090/u, 1.6e12, 1.6e12],
  [/RTX 4090/u, 0.9e12, 0.9e12],
  [/RTX 3090/u, 0.84e12, 0.84e12],
  [/RTX 3060/u, 0.315e12, 0.315e12],
  [/L40S/u, 0.778e12, 0.778e12],
  [/L4\b/u, 0.27e12, 0.27e12],
  [/T4\b/u, 0.288e12, 0.288e12],
];

/** Of an H100, as the issue states them. */
export const GOALS = { bytesPerSecond: 1.2e12, largeBytes: 40e9, largeSeconds: 0.035, sealRatio: 1.15, quickSeconds: 0.005 };

export function predicted({ name, peakBytesPerSecond, link }) {
  const [, adding, multiplying] = HASHING.find(([pattern]) => pattern.test(name)) ?? [];
  return {
    hash: adding === undefined ? undefined : [adding, multiplying],
    kernels: adding === undefined ? {} : { tiles: [adding, adding], tiles_by_multiplying: [multiplying, multiplying] },
    // A copy reads and writes, at some nine tenths of what the memory can.
    copy: peakBytesPerSecond === undefined ? undefined : [0.8 * peakBytesPerSecond, peakBytesPerSecond],
    link: link === undefined ? undefined : [0.7 * link.bytesPerSecond, link.bytesPerSecond],
    jitSeconds: [0.07, 0.11],
    localCycles: [600, 800],
    hostTimes: [2, 4],
    residentFraction: [0.957, 1],
  };
}
