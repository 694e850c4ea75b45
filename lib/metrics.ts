/** The loader's own metrics. They come after the record and never change a verdict. */
import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { REFUSAL_CODES } from "./errors.ts";
import type { ModelLoadErrorCode } from "./errors.ts";
import type { NativeRecordNotes, ProofName, RecordReason } from "./native.ts";
import { ownMetric, preset } from "./registry.ts";

/** What was asked of the loader. */
export type Action = "load" | "seal" | "validateBytes" | "inspect" | "protect";
/** `OK`, or the code of the refusal. */
export type DecisionCode = "OK" | ModelLoadErrorCode;

const ACTIONS: readonly Action[] = ["load", "seal", "validateBytes", "inspect", "protect"];
const CODES: readonly DecisionCode[] = ["OK", ...(Object.keys(REFUSAL_CODES) as ModelLoadErrorCode[])];
const RECORD_REASONS: readonly RecordReason[] = ["folder", "unreadable", "length", "version", "forged", "other-model", "stale", "values"];
const READ_CODES: readonly DecisionCode[] = ["OK", "CHANGED_AFTER_CHECK", "IO", "ABORTED", "INTERNAL"];
/** From a header that is refused at once to 400 GB in one stream. */
const SECONDS_BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300];

export interface LoaderMetrics {
  decided(action: Action, code: DecisionCode, seconds: number, bytes: number): void;
  started(): void;
  ended(): void;
  modelOpened(): void;
  modelClosed(): void;
  /** A good model went on without a record, under `onAuditFailure: "continue"`. */
  unrecorded(): void;
  guardBroke(): void;
  /** What proved a digest, where one was proven, and what became of records. */
  proven(by: ProofName | undefined, notes: NativeRecordNotes | undefined): void;
  /** One reading of a verified model. */
  read(code: DecisionCode, bytes: number): void;
}

/** Counts nothing: for a loader that was given no registry. */
export const NO_METRICS: LoaderMetrics = {
  decided: () => undefined,
  started: () => undefined,
  ended: () => undefined,
  modelOpened: () => undefined,
  modelClosed: () => undefined,
  unrecorded: () => undefined,
  guardBroke: () => undefined,
  proven: () => undefined,
  read: () => undefined,
};

/** The loader's metrics in `registry`, made there by the first loader and shared by the next ones. */
export function loaderMetrics(registry: Registry): LoaderMetrics {
  const decisions = ownMetric(registry, "model_loader_decisions_total", (name) => decisionsCounter(name));
  const bytes = ownMetric(registry, "model_loader_bytes_hashed_total", (name) =>
    new Counter({ name, help: "Bytes hashed, of accepted and refused models.", registers: [] }));
  const seconds = ownMetric(registry, "model_loader_decision_seconds", (name) =>
    new Histogram({ name, help: "Time from the call to the recorded decision.", labelNames: ["action"], buckets: SECONDS_BUCKETS, registers: [] }));
  const running = ownMetric(registry, "model_loader_in_progress", (name) =>
    new Gauge({ name, help: "Calls that are being judged or wait for a slot.", registers: [] }));
  const open = ownMetric(registry, "model_loader_models_open", (name) =>
    new Gauge({ name, help: "Verified models whose descriptor is held.", registers: [] }));
  const unrecorded = ownMetric(registry, "model_loader_audit_unrecorded_handovers_total", (name) =>
    new Counter({ name, help: "Good models that were handed over although that could not be recorded.", registers: [] }));
  const breaks = ownMetric(registry, "model_loader_guard_breaks_total", (name) =>
    new Counter({ name, help: "Models whose file somebody asked to write to while they were in use.", registers: [] }));
  const records = recordMetrics(registry);
  return {
    ...records,
    ...readMetrics(registry),
    decided(action, code, took, read) {
      decisions.inc({ action, code });
      seconds.observe({ action }, took);
      bytes.inc(read);
    },
    started: () => { running.inc(); },
    ended: () => { running.dec(); },
    modelOpened: () => { open.inc(); },
    modelClosed: () => { open.dec(); },
    unrecorded: () => { unrecorded.inc(); },
    guardBroke: () => { breaks.inc(); },
  };
}

function recordMetrics(registry: Registry): Pick<LoaderMetrics, "proven"> {
  const used = ownMetric(registry, "model_loader_records_used_total", (name) =>
    new Counter({ name, help: "Loads whose digest was proven by an authenticated record: by tiles, under fs-verity or by identity.", registers: [] }));
  const ignored = ownMetric(registry, "model_loader_records_ignored_total", (name) =>
    preset(new Counter({ name, help: "Records that were not believed, by reason.", labelNames: ["reason"], registers: [] }), "reason", RECORD_REASONS));
  const stored = ownMetric(registry, "model_loader_records_stored_total", (name) =>
    preset(new Counter({ name, help: "Records written after full verifications.", labelNames: ["outcome"], registers: [] }), "outcome", ["ok", "failed"]));
  return {
    proven(by, notes) {
      if (by !== undefined && by !== "sha256") used.inc();
      if (notes?.ignoredReason !== undefined) ignored.inc({ reason: notes.ignoredReason });
      if (notes?.stored === true) stored.inc({ outcome: "ok" });
      if (notes?.storeFailure !== undefined) stored.inc({ outcome: "failed" });
    },
  };
}

function readMetrics(registry: Registry): Pick<LoaderMetrics, "read"> {
  const reads = ownMetric(registry, "model_loader_reads_total", (name) =>
    preset(new Counter({ name, help: "Readings of verified models by outcome; OK gave bytes that were checked.", labelNames: ["code"], registers: [] }), "code", READ_CODES));
  const bytes = ownMetric(registry, "model_loader_read_bytes_total", (name) =>
    new Counter({ name, help: "Bytes of verified models that were handed out.", registers: [] }));
  return {
    read(code, count) {
      reads.inc({ code });
      bytes.inc(count);
    },
  };
}

/** Every combination starts at 0: a counter that is born at 1 never fires an `increase()` alert. */
function decisionsCounter(name: string): Counter<"action" | "code"> {
  const help = "Decisions by action and code; OK is an accepted model.";
  const counter = new Counter({ name, help, labelNames: ["action", "code"], registers: [] });
  for (const action of ACTIONS) for (const code of CODES) counter.inc({ action, code }, 0);
  return counter;
}
