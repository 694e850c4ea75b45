/** Events that got no record: counted here until the trail itself can say so. */
import { performance } from "node:perf_hooks";
import type { AuditEvent } from "./events.ts";
import type { Draft } from "./record.ts";

/** While a disk stays full its reserve must last: the count is written after a second, and then ever more rarely. */
const TELL_MS = 1_000;
const TELL_MS_MAX = 600_000;

export class Losses {
  #pauseMs = TELL_MS;
  #tellAt = 0;
  #count = 0;
  #critical = 0;
  #since = "";

  get count(): number {
    return this.#count;
  }

  /** Time to say so although nothing else is written. */
  get isDue(): boolean {
    return this.#count > 0 && performance.now() >= this.#tellAt;
  }

  add(draft: Draft): void {
    if (this.#count === 0) this.#since = new Date().toISOString();
    const { severity, count } = draft.covers ?? { severity: draft.severity, count: 1 };
    this.#count += count;
    if (severity === "CRITICAL") this.#critical += count;
  }

  event(): AuditEvent {
    const details = { count: this.#count, critical: this.#critical, since: this.#since };
    return { type: "AuditEventsLost", outcome: "failed", action: "audit.write", details };
  }

  told(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    this.#critical = 0;
    this.#tellAt = performance.now() + this.#pauseMs;
    this.#pauseMs = Math.min(TELL_MS_MAX, this.#pauseMs * 2);
  }

  /** Events are recorded again. */
  over(): void {
    this.#pauseMs = TELL_MS;
    this.#tellAt = 0;
  }
}
