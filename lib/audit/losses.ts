/** Events that got no record: counted here until the trail itself can say so. */
import type { AuditEvent } from "./events.ts";
import type { Draft } from "./record.ts";

export class Losses {
  #count = 0;
  #critical = 0;
  #since = "";

  get count(): number {
    return this.#count;
  }

  add(draft: Draft): void {
    if (this.#count === 0) this.#since = new Date().toISOString();
    this.#count += 1;
    if (draft.severity === "CRITICAL") this.#critical += 1;
  }

  event(): AuditEvent {
    const details = { count: this.#count, critical: this.#critical, since: this.#since };
    return { type: "AuditEventsLost", outcome: "failed", action: "audit.write", details };
  }

  told(): void {
    this.#count = 0;
    this.#critical = 0;
  }
}
