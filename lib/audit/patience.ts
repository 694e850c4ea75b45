/** How often a new segment is tried on a disk that spoils each one: without a limit it would be filled with files. */
import { performance } from "node:perf_hooks";

const FREE_TRIES = 2;
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;

export class Patience {
  #wasted = 0;
  #until = 0;

  /** Not yet time for another try. */
  get isSpent(): boolean {
    return performance.now() < this.#until;
  }

  /** A segment was begun and had to be given up. */
  wasted(): void {
    this.#wasted += 1;
    if (this.#wasted <= FREE_TRIES) return;
    this.#until = performance.now() + Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (this.#wasted - FREE_TRIES - 1));
  }

  worked(): void {
    this.#wasted = 0;
    this.#until = 0;
  }
}
