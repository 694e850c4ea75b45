/** Lines in a file that no sync has covered yet, in their order: a new file begins with them where this one fails. */
import type { Line } from "./line.ts";
import type { Pending } from "./pending.ts";

export class Unsynced {
  #lines: Line[] = [];
  /** Lines at the front that a sync has confirmed while another one was still running. */
  #confirmed = 0;

  /** All lines, the confirmed ones among them. */
  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** Lines that no sync has confirmed. */
  get count(): number {
    return this.#lines.length - this.#confirmed;
  }

  /** The first line that no sync has confirmed. */
  get oldest(): Line | undefined {
    return this.#lines[this.#confirmed];
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#lines.map(({ bytes }) => bytes));
  }

  push(line: Line): void {
    this.#lines.push(line);
  }

  /** Who waits for the lines, from now on in the caller's hands. */
  takeWaiting(): Pending[] {
    const waiting = this.#lines.filter((entry) => entry.waiter !== undefined).map(({ draft, waiter }) => ({ draft, waiter }));
    for (const entry of this.#lines) entry.waiter = undefined;
    return waiting;
  }

  /** A sync has covered the first `count` lines: those of them that none had covered before. `keep` holds them all the same. */
  confirm(count: number, keep: boolean): readonly Line[] {
    const end = Math.max(count, this.#confirmed);
    const done = this.#lines.slice(this.#confirmed, end);
    if (keep) this.#confirmed = end;
    else {
      this.#lines = this.#lines.slice(end);
      this.#confirmed = 0;
    }
    return done;
  }
}
