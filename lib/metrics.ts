/** The loader's own metrics. They come after the record and never change a verdict. */
import { Counter, Gauge, Histogram } from "prom-client";
import type { Metric, Registry } from "prom-client";
import { REFUSAL_CODES } from "./errors.ts";
import type { ModelLoadErrorCode } from "./errors.ts";

/** What was asked of the loader. */
export type Action = "load" | "validateBytes" | "inspect";
/** `OK`, or the code of the refusal. */
export type DecisionCode = "OK" | ModelLoadErrorCode;

const ACTIONS: readonly Action[] = ["load", "validateBytes", "inspect"];
const CODES: readonly DecisionCode[] = ["OK", ...(Object.keys(REFUSAL_CODES) as ModelLoadErrorCode[])];
/** From a header that is refused at once to 400 GB in one stream. */
const SECONDS_BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300];

export interface LoaderMetrics {
  decided(action: Action, code: DecisionCode, seconds: number, bytes: number): void;
  started(): void;
  ended(): void;
  modelOpened(): void;
  modelClosed(): void;
  guardBroke(): void;
}

/** Counts nothing: for a loader that was given no registry. */
export const NO_METRICS: LoaderMetrics = {
  decided: () => undefined,
  started: () => undefined,
  ended: () => undefined,
  modelOpened: () => undefined,
  modelClosed: () => undefined,
  guardBroke: () => undefined,
};

/** The loader's metrics in `registry`, made there by the first loader and shared by the next ones. */
export function loaderMetrics(registry: Registry): LoaderMetrics {
  const decisions = own(registry, "model_loader_decisions_total", (name) => decisionsCounter(name));
  const bytes = own(registry, "model_loader_bytes_hashed_total", (name) =>
    new Counter({ name, help: "Bytes hashed, of accepted and refused models.", registers: [] }));
  const seconds = own(registry, "model_loader_decision_seconds", (name) =>
    new Histogram({ name, help: "Time from the call to the recorded decision.", labelNames: ["action"], buckets: SECONDS_BUCKETS, registers: [] }));
  const running = own(registry, "model_loader_in_progress", (name) =>
    new Gauge({ name, help: "Calls that are being judged or wait for a slot.", registers: [] }));
  const open = own(registry, "model_loader_models_open", (name) =>
    new Gauge({ name, help: "Verified models whose descriptor is held.", registers: [] }));
  const breaks = own(registry, "model_loader_guard_breaks_total", (name) =>
    new Counter({ name, help: "Models whose file somebody asked to write to while they were in use.", registers: [] }));
  return {
    decided(action, code, took, read) {
      decisions.inc({ action, code });
      seconds.observe({ action }, took);
      bytes.inc(read);
    },
    started: () => { running.inc(); },
    ended: () => { running.dec(); },
    modelOpened: () => { open.inc(); },
    modelClosed: () => { open.dec(); },
    guardBroke: () => { breaks.inc(); },
  };
}

/** Every combination starts at 0: a counter that is born at 1 never fires an `increase()` alert. */
function decisionsCounter(name: string): Counter<"action" | "code"> {
  const help = "Decisions by action and code; OK is an accepted model.";
  const counter = new Counter({ name, help, labelNames: ["action", "code"], registers: [] });
  for (const action of ACTIONS) for (const code of CODES) counter.inc({ action, code }, 0);
  return counter;
}

function own<M extends Metric>(registry: Registry, name: string, make: (name: string) => M): M {
  const existing = registry.getSingleMetric(name);
  if (existing !== undefined) return existing as M;
  const metric = make(name);
  registry.registerMetric(metric);
  return metric;
}
