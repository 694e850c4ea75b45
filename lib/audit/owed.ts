/** What the trail owes: records about itself, which go before the next event, whenever that can be written. */
import type { AuditEvent } from "./events.ts";
import { Losses } from "./losses.ts";
import type { Pending } from "./pending.ts";
import type { Draft } from "./record.ts";

export class Owed {
  readonly #draft: (event: AuditEvent) => Draft;
  #records: Pending[] = [];
  readonly #losses = new Losses();
  #lossRecord: Pending | undefined;

  constructor(draft: (event: AuditEvent) => Draft) {
    this.#draft = draft;
  }

  /** Time to say how many events were lost although nothing else is written. */
  get isDue(): boolean {
    return this.#losses.isDue;
  }

  add(event: AuditEvent): void {
    this.#records.push({ draft: this.#draft(event) });
  }

  addFirst(event: AuditEvent): void {
    this.#records.unshift({ draft: this.#draft(event) });
  }

  /** An event that got no record. */
  lost(draft: Draft): void {
    this.#losses.add(draft);
  }

  /** Events are recorded again. */
  lossesOver(): void {
    this.#losses.over();
  }

  /** All that is owed now, last the number of lost events. Who writes it removes from the list what stands in a file. */
  due(): Pending[] {
    if (this.#losses.count > 0) {
      this.#records = this.#records.filter((pending) => pending !== this.#lossRecord);
      this.#lossRecord = { draft: this.#draft(this.#losses.event()) };
      this.#records.push(this.#lossRecord);
    }
    return this.#records;
  }

  /** All of it was written. */
  paid(): void {
    this.#losses.told();
  }
}
