/** An outage from its first failure until all that was held back has arrived: one record at its beginning, one at its end. */
import { messageOf } from "../errors.ts";
import { escapeText } from "../escape.ts";
import type { SinkTrail } from "./sink.ts";

/** A sink that comes and goes every second must not fill the trail with records about itself. */
const TOLD_EVERY_MS = 60_000;
const MESSAGE_MAX = 300;

export class Episode {
  readonly #sink: string;
  readonly #trail: SinkTrail;
  #since: number | undefined;
  #failures = 0;
  #from = 0;
  #told = false;
  #toldMs = -Infinity;

  constructor(sink: string, trail: SinkTrail) {
    this.#sink = sink;
    this.#trail = trail;
  }

  /** `next` is the first record that the sink lacks. */
  failed(failure: unknown, next: number): void {
    if (this.#since === undefined) {
      this.#since = Date.now();
      this.#failures = 0;
      this.#from = next;
    }
    this.#failures += 1;
    if (this.#told || Date.now() - this.#toldMs < TOLD_EVERY_MS) return;
    this.#told = true;
    this.#toldMs = Date.now();
    const message = escapeText(messageOf(failure)).slice(0, MESSAGE_MAX);
    this.#trail.warn(failure, `the audit sink ${this.#sink} cannot be reached; its records wait in the local trail`);
    this.#trail.record({
      type: "AuditSinkFailed", outcome: "failed", action: "audit.sink", reason: "SINK_UNAVAILABLE",
      details: { sink: this.#sink, next, message },
    });
  }

  /** Everything before `next` has arrived. */
  over(next: number): void {
    if (this.#since === undefined) return;
    const seconds = Math.round((Date.now() - this.#since) / 1000);
    this.#since = undefined;
    if (!this.#told) return;
    this.#told = false;
    this.#trail.record({
      type: "AuditSinkRecovered", outcome: "info", action: "audit.sink", reason: "CAUGHT_UP",
      details: { sink: this.#sink, from: this.#from, to: next - 1, count: next - this.#from, failures: this.#failures, seconds },
    });
  }
}
