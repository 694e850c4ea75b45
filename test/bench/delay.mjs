/** The event loop's delay over a stretch of work, by Node's own histogram. Its sampling timer alone shows as about 1 ms. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { rounded } from "./measure.mjs";

const NS_PER_MS = 1e6;
const SETTLE_MS = 10;

export async function withLoopDelay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  // The first tick only sets the clock: work that blocks before it would not be seen at all.
  await settled();
  const started = performance.now();
  const result = await work();
  const ms = performance.now() - started;
  // A delay shows in the histogram only when the late timer has run.
  await settled();
  histogram.disable();
  const at = (ns) => rounded(ns / NS_PER_MS, 3);
  const delay = { delayP50Ms: at(histogram.percentile(50)), delayP99Ms: at(histogram.percentile(99)), delayMaxMs: at(histogram.max) };
  return { result, ms, delay };
}

function settled() {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
