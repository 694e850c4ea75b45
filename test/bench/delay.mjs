/** The event loop's delay over a stretch of work, by Node's own histogram. Its sampling timer alone shows as about 1 ms. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { rounded } from "./measure.mjs";

const NS_PER_MS = 1e6;
const SETTLE_MS = 50;

export async function withLoopDelay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  const started = performance.now();
  const result = await work();
  const ms = performance.now() - started;
  // A delay shows in the histogram only when the late timer has run.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  histogram.disable();
  const at = (ns) => rounded(ns / NS_PER_MS, 3);
  return { result, ms, delay: { delayP50Ms: at(histogram.percentile(50)), delayP99Ms: at(histogram.percentile(99)), delayMaxMs: at(histogram.max) } };
}
