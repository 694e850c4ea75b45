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
  readonly mono: string;
}

/**
 * JavaScript's UTC clock has milliseconds. The digits below come from the monotonic clock, shifted by an offset that is
 * corrected whenever the two disagree: so times within a millisecond are in order, and never off by more than it.
 */
export class Timekeeper {
  readonly #clock: AuditClock;
  #offsetMs = 0;
  #offsetNs = 0;
  #seen: { readonly unixMs: number; readonly monoMs: number } | undefined;
  #step: ClockStep | undefined;
  #second = NaN;
  #secondText = "";

  constructor(clock: AuditClock) {
    this.#clock = clock;
  }

  now(): Instant {
    const unixMs = this.#clock.now();
    const [seconds, nanos] = this.#clock.hrtime();
    const monoMs = seconds * 1000 + Math.floor(nanos / 1e6);
    this.#watch(unixMs, monoMs);
    const subMs = this.#within(unixMs, monoMs, nanos % 1e6);
    return { unixMs, subMs, mono: `${seconds}${nineDigits(nanos)}` };
  }

  /** A step that nobody has asked about yet. */
  takeStep(): ClockStep | undefined {
    const step = this.#step;
    this.#step = undefined;
    return step;
  }

  /** RFC 3339 with nine digits; the part above the millisecond is made once a second. */
  text(instant: Instant): string {
    const second = Math.floor(instant.unixMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondText = new Date(second * 1000).toISOString().slice(0, -4);
    }
    const nanos = (instant.unixMs - second * 1000) * 1e6 + instant.subMs;
    return `${this.#secondText}${nineDigits(nanos)}Z`;
  }

  #watch(unixMs: number, monoMs: number): void {
    const seen = this.#seen;
    this.#seen = { unixMs, monoMs };
    if (seen === undefined) return;
    const passedMs = monoMs - seen.monoMs;
    const expectedMs = seen.unixMs + passedMs;
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

function nineDigits(nanos: number): string {
  return String(1e9 + nanos).slice(1);
}
