/** How long to wait before the next try: twice as long each time, and never two hosts in step. */
const FIRST_MS = 250;
const LONGEST_MS = 30_000;

export class Backoff {
  #tries = 0;

  /** Between half of the time and all of it. */
  nextMs(random: () => number = Math.random): number {
    const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#tries);
    this.#tries = Math.min(this.#tries + 1, 16);
    return whole * (0.5 + random() / 2);
  }

  worked(): void {
    this.#tries = 0;
  }
}
