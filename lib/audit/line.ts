/** Records that have their place in the chain, as bytes for the segment: a batch is chained and written in one go. */
import { LEAF_DIGITS, NO_PREVIOUS } from "./chain.ts";
import type { Chain } from "./chain.ts";
import type { DurableRecord } from "./follower.ts";
import type { Pending, Waiter } from "./pending.ts";
import type { Draft } from "./record.ts";

/** A record in the chain, and who waits for it. Its text is made where somebody asks for it: most are only written. */
export class Line implements DurableRecord, Pending {
  readonly draft: Draft;
  readonly sinceMs: number | undefined;
  waiter: Waiter | undefined;
  readonly seq: number;
  readonly leaf: string;
  /** Of its batch; this line with its newline lies at `start` to `end`. */
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly end: number;

  constructor({ draft, sinceMs, waiter }: Pending, seq: number, leaf: string, bytes: Buffer, start: number, end: number) {
    this.draft = draft;
    this.sinceMs = sinceMs;
    this.waiter = waiter;
    this.seq = seq;
    this.leaf = leaf;
    this.#bytes = bytes;
    this.#start = start;
    this.end = end;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(this.#start, this.end);
  }

  get text(): string {
    return this.#bytes.toString("latin1", this.#start, this.end);
  }
}

const LINE_END = `,"prev":"${NO_PREVIOUS}"}\n`;

export interface Batch {
  readonly lines: readonly Line[];
  readonly bytes: Buffer;
}

/** Gives the records their places from `next` on, behind the record whose leaf hash is `head`. */
export function chained(records: readonly Pending[], next: number, head: string, { prefix, link }: Chain): Batch {
  // One line's end and the next one's beginning are one piece.
  const joint = LINE_END + prefix;
  let text = "";
  const ends = records.map(({ draft }, i) => {
    text += (i === 0 ? prefix : joint) + String(next + i) + draft.middle;
    return text.length + LINE_END.length;
  });
  const bytes = Buffer.from(text + LINE_END, "latin1");
  const leaves = link(bytes, head);
  const lines = records.map((record, i) => {
    const leaf = leaves.slice(i * LEAF_DIGITS, (i + 1) * LEAF_DIGITS);
    return new Line(record, next + i, leaf, bytes, ends[i - 1] ?? 0, ends[i] ?? 0);
  });
  return { lines, bytes };
}

/** A record of an earlier run, with its newline. */
export interface CarriedLine {
  readonly seq: number;
  readonly leaf: string;
  readonly text: string;
}

/** A record of an earlier run, as it stands in its segment. */
export function carriedLine(seq: number, leaf: string, text: string): Line {
  const bytes = Buffer.from(text, "latin1");
  // It has its place already: nobody asks for its middle.
  const draft: Draft = { type: "AuditRecovered", severity: "INFO", middle: "", event: () => text.trimEnd() };
  return new Line({ draft }, seq, leaf, bytes, 0, bytes.length);
}
