/** Quantities as people read them. */

export function gigabytes(bytes) {
  return `${(bytes / 1e9).toPrecision(3)} GB`;
}

export function rate(bytesPerSecond) {
  return bytesPerSecond >= 1e12 ? `${(bytesPerSecond / 1e12).toFixed(2)} TB/s` : `${(bytesPerSecond / 1e9).toPrecision(3)} GB/s`;
}

export function duration(seconds) {
  return seconds >= 1 ? `${seconds.toFixed(2)} s` : `${(seconds * 1000).toFixed(2)} ms`;
}

const UNITS = {
  "B/s": rate,
  s: duration,
  cycles: (cycles) => `${Math.round(cycles)} cycles`,
  times: (ratio) => `${ratio.toFixed(2)} x`,
  // Never rounded up: 99.99 % is not all of it.
  fraction: (fraction) => `${(Math.floor(fraction * 1000) / 10).toFixed(1)} %`,
};

/** @param {keyof typeof UNITS} unit */
export function quantity(value, unit) {
  return UNITS[unit](value);
}

export async function timed(work) {
  const started = performance.now();
  const value = await work();
  return { value, seconds: (performance.now() - started) / 1000 };
}

export function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
