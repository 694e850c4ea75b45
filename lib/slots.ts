/** A bounded number of slots, given out first come, first served. */

interface Waiter {
  readonly grant: () => void;
}

export class Slots {
  readonly #waiting: Waiter[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves to true with a slot in hand, or to false when the signal aborts first. */
  async take(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.#free > 0) {
      this.#free -= 1;
      return true;
    }
    return this.#queue(signal);
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next.grant();
  }

  #queue(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        resolve(false);
      };
      const waiter: Waiter = {
        grant: () => {
          signal.removeEventListener("abort", leave);
          resolve(true);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiter);
    });
  }
}
