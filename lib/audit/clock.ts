/** Two clocks for each record: UTC with nanoseconds, and the monotonic one that no clock step can move. */

/** Injectable, so that tests can step the clock. */
export interface AuditClock {
  /** UTC in milliseconds, as `Date.now()`. */
  now(): number;
  /** Monotonic seconds and nanoseconds, as `process.hrtime()`. */
  hrtime(): [number, number];
}

export const SYSTEM_CLOCK: AuditClock = { now: () => Date.now(), hrtime: () => process.hrtime() };

/** Slewing changes the clock's rate by no more than this; what goes beyond it, and a second, was a step. */
const SLEW_MAX = 0.0005;
const STEP_MS_MIN = 1_000;

/** The wall clock was set, or the machine slept: UTC as it should have been, and as it was found. */
export interface ClockStep {
  readonly expectedMs: number;
  readonly foundMs: number;
}

export interface Instant {
  readonly unixMs: number;
  /** Nanoseconds within the millisecond. */
  readonly subMs: number;
  /** The monotonic clock: whole seconds, and the nanoseconds below them. */
  readonly seconds: number;
  readonly nanos: number;
}

/**
 * JavaScript's UTC clock has milliseconds. The digits below come from the monotonic clock, shifted by an offset that is
 * corrected whenever the two disagree: so times within a millisecond are in order, and never off by more than it.
 */
export class Timekeeper {
  readonly #clock: AuditClock;
  #offsetMs = 0;
  #offsetNs = 0;
  #seenUnixMs = NaN;
  #seenMonoMs = NaN;
  #step: ClockStep | undefined;

  constructor(clock: AuditClock) {
    this.#clock = clock;
  }

  now(): Instant {
    const unixMs = this.#clock.now();
    const [seconds, nanos] = this.#clock.hrtime();
    const monoMs = seconds * 1000 + Math.floor(nanos / 1e6);
    this.#watch(unixMs, monoMs);
    return { unixMs, subMs: this.#within(unixMs, monoMs, nanos % 1e6), seconds, nanos };
  }

  /** A step that nobody has asked about yet. */
  takeStep(): ClockStep | undefined {
    const step = this.#step;
    this.#step = undefined;
    return step;
  }

  #watch(unixMs: number, monoMs: number): void {
    const passedMs = monoMs - this.#seenMonoMs;
    const expectedMs = this.#seenUnixMs + passedMs;
    this.#seenUnixMs = unixMs;
    this.#seenMonoMs = monoMs;
    // Not true of the first instant, before which none was seen.
    if (Math.abs(unixMs - expectedMs) >= STEP_MS_MIN + passedMs * SLEW_MAX) this.#step = { expectedMs: this.#step?.expectedMs ?? expectedMs, foundMs: unixMs };
  }

  #within(unixMs: number, monoMs: number, monoNs: number): number {
    const nanos = this.#offsetNs + monoNs;
    const ms = monoMs + this.#offsetMs + (nanos >= 1e6 ? 1 : 0);
    if (ms === unixMs) return nanos % 1e6;
    const edge = ms < unixMs ? 0 : 999_999;
    this.#align(unixMs, monoMs, edge - monoNs);
    return edge;
  }

  #align(unixMs: number, monoMs: number, shiftNs: number): void {
    const borrow = shiftNs < 0 ? 1 : 0;
    this.#offsetNs = shiftNs + borrow * 1e6;
    this.#offsetMs = unixMs - monoMs - borrow;
  }
}
