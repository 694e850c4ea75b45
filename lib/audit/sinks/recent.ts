/** The newest records, so that a sink that keeps up never reads the log. Bounded: one that falls behind reads it from there. */
import type { DurableRecord } from "../follower.ts";
import type { TrailLine } from "../records.ts";

/** A few hundred records of usual size. */
const KEPT_BYTES_MAX = 1024 * 1024;

export class Recent {
  #lines: TrailLine[] = [];
  #bytes = 0;

  add(records: readonly DurableRecord[]): void {
    for (const { seq, leaf, text } of records) {
      this.#lines.push({ seq, leaf, text: text.slice(0, -1) });
      this.#bytes += text.length;
    }
    let dropped = 0;
    for (; this.#bytes > KEPT_BYTES_MAX && dropped < this.#lines.length - 1; dropped += 1) this.#bytes -= (this.#lines[dropped]?.text.length ?? 0) + 1;
    if (dropped > 0) this.#lines = this.#lines.slice(dropped);
  }

  /** All that is kept from record `seq` on; undefined where that one is kept no more. */
  from(seq: number): TrailLine[] | undefined {
    const at = this.#lines.findIndex((line) => line.seq >= seq);
    return this.#lines[at]?.seq === seq ? this.#lines.slice(at) : undefined;
  }

  /** Acknowledged records need not be kept. */
  forget(before: number): void {
    const at = this.#lines.findIndex((line) => line.seq >= before);
    const kept = at === -1 ? [] : this.#lines.slice(at);
    this.#lines = kept;
    this.#bytes = kept.reduce((bytes, { text }) => bytes + text.length + 1, 0);
  }
}
