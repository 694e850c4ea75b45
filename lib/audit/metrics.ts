/**
 * What the operator sees. Counts are kept from the first event on; a registry that is attached later gets all of them once. Several
 * logs may share a registry: counters add up, gauges are read from all of them when they are scraped.
 */
import { Counter, Gauge, Histogram } from "prom-client";
import type { Metric, Registry } from "prom-client";
import { oncePerRegistry, ownMetric } from "../registry.ts";
import { EMIT_FAILURE_REASONS } from "./errors.ts";
import type { EmitFailureReason } from "./errors.ts";
import { EVENT_TYPES, SEVERITIES } from "./events.ts";
import type { AuditEventType, Severity } from "./events.ts";
import { WITNESS_FAILURE_REASONS } from "./witness-reason.ts";
import type { WitnessFailureReason } from "./witness-reason.ts";

const PREFIX = "model_loader_audit_";
const FLUSH_BUCKETS_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
/** Durations before a registry is attached: more are counted as the longest of them, so the number stays right. */
const KEPT_DURATIONS_MAX = 1_024;

/** The state of one log, read when a registry is scraped. */
export interface AuditState {
  readonly dir: string;
  readonly waiting: number;
  readonly unsynced: number;
  readonly size: number;
  readonly lastDurableSeconds: number;
  /** Records that the last signed checkpoint covers, and when it was signed. */
  readonly checkpointSize: number;
  readonly checkpointSeconds: number;
  readonly healthy: boolean;
  /** Still written. */
  readonly open: boolean;
  readonly openedSeconds: number;
  /** How long the record that waits longest has waited. */
  readonly oldestWaitingSeconds: number;
  /** NaN where it cannot be told. */
  readonly diskFreeBytes: number;
  /** NaN where none is wanted. */
  readonly reserveBytes: number;
}

/** How a verification ended: every record as written, damage found, or a folder that could not be read. */
export const VERIFY_RESULTS = ["ok", "damaged", "unreadable"] as const;
export type VerifyResult = (typeof VERIFY_RESULTS)[number];

/** Counts a verification of any trail. */
export function countVerification(registry: Registry, result: VerifyResult): void {
  familyOf(registry).verifications.inc({ result });
}

interface Family {
  readonly emits: Counter<"type" | "severity">;
  readonly suppressed: Counter<"type" | "severity">;
  readonly failures: Counter<"severity" | "reason">;
  readonly criticalFailures: Counter<"reason">;
  readonly flushFailures: Counter;
  readonly flushSeconds: Histogram;
  readonly checkpointFailures: Counter;
  readonly witnessFailures: Counter<"reason">;
  readonly verifications: Counter<"result">;
  /** By folder: a log that is closed keeps its size, or the sum would fall and look like a rollback. */
  readonly states: Map<string, () => AuditState>;
}

/** One family a registry, whichever log came first. */
const familyOf = oncePerRegistry(makeFamily);

type Count = (family: Family) => void;

export class AuditMetrics {
  readonly #state: () => AuditState;
  readonly #attached = new Set<Family>();
  readonly #emits = new Map<string, { type: AuditEventType; severity: Severity; count: number }>();
  /** Of the event that came last: most are like the one before. */
  #last: { type: AuditEventType; severity: Severity; count: number } | undefined;
  readonly #suppressed = new Map<string, { type: AuditEventType; severity: Severity; count: number }>();
  readonly #failures = new Map<string, { severity: Severity; reason: EmitFailureReason; count: number }>();
  readonly #seconds: number[] = [];
  #flushFailures = 0;
  #checkpointFailures = 0;
  readonly #witnessFailures = new Map<WitnessFailureReason, number>();

  constructor(state: () => AuditState) {
    this.#state = state;
  }

  /** Attaching the same registry again does nothing. */
  attach(registry: Registry): void {
    const family = familyOf(registry);
    if (this.#attached.has(family)) return;
    this.#attached.add(family);
    this.#carryOver(family);
    family.states.set(this.#state().dir, this.#state);
  }

  emitted(type: AuditEventType, severity: Severity): void {
    if (this.#last?.type !== type || this.#last.severity !== severity) this.#last = getOrMake(this.#emits, `${type} ${severity}`, () => ({ type, severity, count: 0 }));
    this.#last.count += 1;
    for (const family of this.#attached) family.emits.inc({ type, severity });
  }

  failed(severity: Severity, reason: EmitFailureReason, count = 1): void {
    const entry = getOrMake(this.#failures, `${severity} ${reason}`, () => ({ severity, reason, count: 0 }));
    entry.count += count;
    this.#each((family) => { countFailure(family, severity, reason, count); });
  }

  /** The event has no record of its own; a summary stands for it. */
  suppressed(type: AuditEventType, severity: Severity): void {
    const entry = getOrMake(this.#suppressed, `${type} ${severity}`, () => ({ type, severity, count: 0 }));
    entry.count += 1;
    this.#each((family) => { family.suppressed.inc({ type, severity }); });
  }

  /** A failed flush is a failure to emit as well, of the gravest record that it was to make durable. */
  flushFailed(severity: Severity, reason: EmitFailureReason): void {
    this.#flushFailures += 1;
    this.#each((family) => { family.flushFailures.inc(); });
    this.failed(severity, reason);
  }

  checkpointFailed(): void {
    this.#checkpointFailures += 1;
    this.#each((family) => { family.checkpointFailures.inc(); });
  }

  witnessFailed(reason: WitnessFailureReason): void {
    this.#witnessFailures.set(reason, (this.#witnessFailures.get(reason) ?? 0) + 1);
    this.#each((family) => { family.witnessFailures.inc({ reason }); });
  }

  flushed(seconds: number): void {
    if (this.#seconds.length < KEPT_DURATIONS_MAX) this.#seconds.push(seconds);
    this.#each((family) => { family.flushSeconds.observe(seconds); });
  }

  #each(count: Count): void {
    for (const family of this.#attached) count(family);
  }

  #carryOver(family: Family): void {
    for (const { type, severity, count } of this.#emits.values()) family.emits.inc({ type, severity }, count);
    for (const { type, severity, count } of this.#suppressed.values()) family.suppressed.inc({ type, severity }, count);
    for (const { severity, reason, count } of this.#failures.values()) countFailure(family, severity, reason, count);
    family.flushFailures.inc(this.#flushFailures);
    family.checkpointFailures.inc(this.#checkpointFailures);
    for (const [reason, count] of this.#witnessFailures) family.witnessFailures.inc({ reason }, count);
    for (const seconds of this.#seconds) family.flushSeconds.observe(seconds);
  }
}

function countFailure(family: Family, severity: Severity, reason: EmitFailureReason, count: number): void {
  family.failures.inc({ severity, reason }, count);
  if (severity === "CRITICAL") family.criticalFailures.inc({ reason }, count);
}

function makeFamily(registry: Registry): Family {
  const states = new Map<string, () => AuditState>();
  makeGauges(registry, states);
  return {
    emits: own(registry, "emits_total", (name) => typesCounter(name, "Events given to the audit trail.")),
    suppressed: own(registry, "events_suppressed_total", (name) => typesCounter(name, "Events of a flood that stand in a summary; they count in emits_total too.")),
    failures: own(registry, "emit_failures_total", failuresCounter),
    criticalFailures: own(registry, "critical_emit_failures_total", criticalCounter),
    flushFailures: own(registry, "flush_failures_total", (name) =>
      new Counter({ name, help: "Syncs of the audit trail that failed.", registers: [] })),
    flushSeconds: own(registry, "flush_duration_seconds", (name) =>
      new Histogram({ name, help: "Time of one sync of the audit trail.", buckets: FLUSH_BUCKETS_SECONDS, registers: [] })),
    checkpointFailures: own(registry, "checkpoint_failures_total", (name) =>
      new Counter({ name, help: "Checkpoints of the audit trail that could not be signed or written.", registers: [] })),
    witnessFailures: own(registry, "witness_failures_total", witnessCounter),
    verifications: own(registry, "verify_total", verifyCounter),
    states,
  };
}

/** Every combination starts at 0: a counter that is born at 1 never fires an `increase()` alert. */
function typesCounter(name: string, help: string): Counter<"type" | "severity"> {
  const counter = new Counter({ name, help, labelNames: ["type", "severity"], registers: [] });
  for (const type of EVENT_TYPES) for (const severity of SEVERITIES) counter.inc({ type, severity }, 0);
  return counter;
}

function failuresCounter(name: string): Counter<"severity" | "reason"> {
  const help = "Events that could not be made durable, and failed syncs.";
  const counter = new Counter({ name, help, labelNames: ["severity", "reason"], registers: [] });
  for (const severity of SEVERITIES) for (const reason of EMIT_FAILURE_REASONS) counter.inc({ severity, reason }, 0);
  return counter;
}

function criticalCounter(name: string): Counter<"reason"> {
  const help = "CRITICAL events that could not be made durable; they count in emit_failures_total too.";
  const counter = new Counter({ name, help, labelNames: ["reason"], registers: [] });
  for (const reason of EMIT_FAILURE_REASONS) counter.inc({ reason }, 0);
  return counter;
}

function witnessCounter(name: string): Counter<"reason"> {
  const help = "Requests to witnesses that ended without a cosignature; inconsistent: it saw another history.";
  const counter = new Counter({ name, help, labelNames: ["reason"], registers: [] });
  for (const reason of WITNESS_FAILURE_REASONS) counter.inc({ reason }, 0);
  return counter;
}

function verifyCounter(name: string): Counter<"result"> {
  const counter = new Counter({ name, help: "Verifications of audit trails, by how they ended.", labelNames: ["result"], registers: [] });
  for (const result of VERIFY_RESULTS) counter.inc({ result }, 0);
  return counter;
}

function makeGauges(registry: Registry, states: Map<string, () => AuditState>): void {
  const gauge = (name: string, help: string, read: (all: AuditState[]) => number): void => {
    own(registry, name, (full) => new Gauge({
      name: full, help, registers: [],
      collect() {
        const all = [...states.values()].map((state) => state());
        if (all.length > 0) this.set(read(all));
      },
    }));
  };
  gauge("queue_depth", "Events whose callers wait for durability.", (all) => sum(all.map((state) => state.waiting)));
  gauge("unsynced_events", "Events in a file that no sync has covered yet.", (all) => sum(all.map((state) => state.unsynced)));
  gauge("log_size", "Records in the trail, over all its runs.", (all) => sum(all.map((state) => state.size)));
  gauge("last_durable_timestamp_seconds", "When the last record became durable.", (all) => earliest(all, (state) => state.lastDurableSeconds));
  gauge("last_checkpoint_size", "Records that the last signed checkpoint covers.", (all) => sum(all.map((state) => state.checkpointSize)));
  gauge("last_checkpoint_timestamp_seconds", "When the last checkpoint was signed; 0 before the first of this run.", (all) => earliest(all, (state) => state.checkpointSeconds));
  gauge("opened_timestamp_seconds", "When the trail was opened.", (all) => earliest(all, (state) => state.openedSeconds));
  gauge("oldest_waiting_seconds", "Age of the record that has waited longest for durability.", (all) => Math.max(...all.map((state) => state.oldestWaitingSeconds)));
  gauge("disk_free_bytes", "Free bytes on the disk of the trail.", (all) => Math.min(...all.map((state) => state.diskFreeBytes)));
  gauge("reserve_bytes", "Bytes kept back so that a full disk can be recorded; NaN where none are wanted.", (all) => Math.min(...all.map((state) => state.reserveBytes)));
  gauge("healthy", "1 while every record can be made durable.", (all) => (all.every((state) => state.healthy) ? 1 : 0));
}

function own<M extends Metric>(registry: Registry, name: string, make: (name: string) => M): M {
  return ownMetric(registry, PREFIX + name, make);
}

/** Of the logs that are written; a closed one would drag the time along for ever. Of none, the latest. */
function earliest(all: readonly AuditState[], secondsOf: (state: AuditState) => number): number {
  const open = all.filter((state) => state.open).map(secondsOf);
  return open.length > 0 ? Math.min(...open) : Math.max(...all.map(secondsOf));
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function getOrMake<V>(map: Map<string, V>, key: string, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
