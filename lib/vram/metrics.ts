/** Metrics of sealed models. They come after the record and never change a verdict. */
import { Counter, Gauge, Histogram } from "prom-client";
import type { Metric, Registry } from "prom-client";
import { oncePerRegistry, ownMetric, preset } from "../registry.ts";
import { VRAM_CODES } from "./errors.ts";
import type { VramError, VramErrorCode } from "./errors.ts";
import type { Evidence } from "./evidence.ts";
import type { FindingEvent } from "./findings.ts";
import type { LevelName, VerdictName } from "./native.ts";

/** Why a CRITICAL event was recorded. */
export type Violation = FindingEvent | "PolicyViolation" | "DeviceLost" | "IntegrityViolation";

const LEVELS: readonly LevelName[] = ["quick", "sample", "full", "challenge"];
const VERDICTS: readonly VerdictName[] = ["resident", "not-resident", "unified", "inconclusive"];
const VIOLATIONS: readonly Violation[] = [
  "SealVerificationFailed", "ResidencyLost", "PageMigrated", "EccUncorrectable", "PolicyViolation", "DeviceLost", "IntegrityViolation",
];
const SEAL_CODES: readonly ("OK" | VramErrorCode)[] = ["OK", ...(Object.keys(VRAM_CODES) as VramErrorCode[])];
/** From a quick look to a full one over a slow link. */
const VERIFY_BUCKETS = [0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 2, 10, 60];
const SEAL_BUCKETS = [0.1, 0.5, 2, 5, 10, 30, 60, 300];

/** One sealed model, as the gauges see it when they are scraped. */
export interface SealedState {
  readonly deviceUuid: string;
  readonly bytes: number;
  /** The part of the running scrub pass that is done, 0 to 1; absent where none runs. */
  readonly scrubCoverage: number | undefined;
  /** When all bytes were last found right, in seconds since 1970. */
  readonly verifiedSeconds: number;
}

export interface VramMetrics {
  sealed(code: "OK" | VramErrorCode, seconds: number): void;
  verified(evidence: Evidence, seconds: number): void;
  violated(kind: Violation): void;
  /** A call that failed: counted where its event is a CRITICAL one. */
  failed(error: VramError): void;
  /** The device's free memory, as a check saw it. */
  seen(deviceUuid: string, freeBytes: number | undefined): void;
  scrubbed(bytes: number): void;
  scrubCompleted(): void;
  /** `state` is read at each scrape until `removed`. */
  added(state: () => SealedState): void;
  removed(state: () => SealedState): void;
}

/** Counts nothing: for a loader that was given no registry. */
export const NO_VRAM_METRICS: VramMetrics = {
  sealed: () => undefined,
  verified: () => undefined,
  violated: () => undefined,
  failed: () => undefined,
  seen: () => undefined,
  scrubbed: () => undefined,
  scrubCompleted: () => undefined,
  added: () => undefined,
  removed: () => undefined,
};

/** Of one registry; loaders share it. */
interface Family extends VramMetrics {
  readonly states: Set<() => SealedState>;
}

/** The metrics in `registry`, made there by the first loader and shared by the next ones. */
export const vramMetrics: (registry: Registry) => VramMetrics = oncePerRegistry(makeFamily);

function makeFamily(registry: Registry): Family {
  const states = new Set<() => SealedState>();
  makeGauges(registry, states);
  const free = own(registry, "device_free_bytes", (name) =>
    new Gauge({ name, help: "Free memory of a device at the last look, all processes together.", labelNames: ["device"], registers: [] }));
  return {
    states,
    ...sealMetrics(registry),
    ...verifyMetrics(registry),
    ...scrubMetrics(registry),
    seen: (device, freeBytes) => { if (freeBytes !== undefined) free.set({ device }, freeBytes); },
    added: (state) => { states.add(state); },
    removed: (state) => { states.delete(state); },
  };
}

function sealMetrics(registry: Registry): Pick<VramMetrics, "sealed" | "violated" | "failed"> {
  const seals = own(registry, "seals_total", (name) =>
    preset(new Counter({ name, help: "Seals by outcome; OK is a sealed model.", labelNames: ["code"], registers: [] }), "code", SEAL_CODES));
  const seconds = own(registry, "seal_seconds", (name) =>
    new Histogram({ name, help: "Time from the first byte read to the checked seal.", buckets: SEAL_BUCKETS, registers: [] }));
  const violations = own(registry, "violations_total", (name) =>
    preset(new Counter({ name, help: "Broken promises about GPU memory, each recorded as a CRITICAL event of this type.", labelNames: ["type"], registers: [] }), "type", VIOLATIONS));
  return {
    sealed(code, took) {
      seals.inc({ code });
      if (code === "OK") seconds.observe(took);
    },
    violated: (type) => { violations.inc({ type }); },
    failed({ code }) {
      const { event, severity } = VRAM_CODES[code];
      if (event !== undefined && severity === "CRITICAL") violations.inc({ type: event });
    },
  };
}

function verifyMetrics(registry: Registry): Pick<VramMetrics, "verified"> {
  const checks = own(registry, "checks_total", checksCounter);
  const seconds = own(registry, "check_seconds", (name) =>
    new Histogram({ name, help: "Time of a check, by level.", labelNames: ["level"], buckets: VERIFY_BUCKETS, registers: [] }));
  const bytes = own(registry, "checked_bytes_total", (name) =>
    new Counter({ name, help: "Bytes that were hashed on devices.", registers: [] }));
  const rate = own(registry, "check_bytes_per_second", (name) =>
    new Gauge({ name, help: "Bytes hashed a second in the last check of all bytes, by device.", labelNames: ["device"], registers: [] }));
  return {
    verified({ level, verdict, content, timing, deviceUuid }, took) {
      checks.inc({ level, verdict });
      seconds.observe({ level }, took);
      bytes.inc(content.bytesChecked);
      if (level !== "quick" && level !== "sample") rate.set({ device: deviceUuid }, timing.bytesPerSecond);
    },
  };
}

function scrubMetrics(registry: Registry): Pick<VramMetrics, "scrubbed" | "scrubCompleted"> {
  const bytes = own(registry, "scrubbed_bytes_total", (name) =>
    new Counter({ name, help: "Bytes that background scrubs have hashed.", registers: [] }));
  const passes = own(registry, "scrub_passes_total", (name) =>
    new Counter({ name, help: "Scrubs that went over all of a sealed model and found it right.", registers: [] }));
  return {
    scrubbed: (count) => { bytes.inc(count); },
    scrubCompleted: () => { passes.inc(); },
  };
}

function makeGauges(registry: Registry, states: ReadonlySet<() => SealedState>): void {
  const all = (): SealedState[] => [...states].map((state) => state());
  own(registry, "sealed_models", (name) => new Gauge({
    name, help: "Models that are sealed in GPU memory.", registers: [],
    collect() { this.set(states.size); },
  }));
  byDevice(registry, "sealed_bytes", "Bytes of sealed models, by device.", () => all().map(({ deviceUuid, bytes }) => [deviceUuid, bytes]), (sum, bytes) => sum + bytes);
  byDevice(registry, "scrub_coverage_ratio", "Part of the running scrub pass that is done; of several on a device, the least.",
    () => all().flatMap(({ deviceUuid, scrubCoverage }) => (scrubCoverage === undefined ? [] : [[deviceUuid, scrubCoverage] as const])), Math.min);
  byDevice(registry, "last_verified_timestamp_seconds", "When all bytes of a sealed model were last found right; of several on a device, the oldest.",
    () => all().map(({ deviceUuid, verifiedSeconds }) => [deviceUuid, verifiedSeconds]), Math.min);
}

/** Devices come and go with the seals on them, and so do their values. */
function byDevice(registry: Registry, short: string, help: string, read: () => (readonly [string, number])[], join: (a: number, b: number) => number): void {
  own(registry, short, (name) => new Gauge({
    name, help, labelNames: ["device"], registers: [],
    collect() {
      this.reset();
      const joined = new Map<string, number>();
      for (const [device, value] of read()) joined.set(device, joined.has(device) ? join(joined.get(device) ?? 0, value) : value);
      for (const [device, value] of joined) this.set({ device }, value);
    },
  }));
}

/** Every combination starts at 0: a counter that is born at 1 never fires an `increase()` alert. */
function checksCounter(name: string): Counter<"level" | "verdict"> {
  const counter = new Counter({ name, help: "Checks of sealed models, by level and verdict.", labelNames: ["level", "verdict"], registers: [] });
  for (const level of LEVELS) for (const verdict of VERDICTS) counter.inc({ level, verdict }, 0);
  return counter;
}

function own<M extends Metric>(registry: Registry, short: string, make: (name: string) => M): M {
  return ownMetric(registry, `model_loader_vram_${short}`, make);
}
