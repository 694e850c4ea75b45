/**
 * How fast this disk syncs. On a fast one a sync in the event loop costs less than handing it to a thread and back; on a slow
 * one it would hold up everything else, so it goes to the thread pool.
 */

const SLOW_MS = 1;
/** One such sync is a tenth of what the event loop may ever be held up. */
const VERY_SLOW_MS = 5;
const SAMPLES = 16;

export class Pace {
  readonly #slow: boolean[] = [];
  #slowCount = 0;
  #next = 0;

  /** True where at least half of the last syncs took longer than {@link SLOW_MS}. */
  get slow(): boolean {
    return this.#slowCount > 0 && this.#slowCount * 2 >= this.#slow.length;
  }

  took(ms: number): void {
    // One very slow sync is a warning of more: it counts for half of the window at once.
    const weight = ms >= VERY_SLOW_MS ? SAMPLES / 2 : 1;
    for (let i = 0; i < weight; i += 1) this.#remember(ms > SLOW_MS);
  }

  #remember(slow: boolean): void {
    this.#slowCount += Number(slow) - Number(this.#slow[this.#next] ?? false);
    this.#slow[this.#next] = slow;
    this.#next = (this.#next + 1) % SAMPLES;
  }
}
