/**
 * The way through a trail's lines as they arrived elsewhere: numbers without a gap, each chained to the one before. The judgement is
 * that of the local walk (walk.ts); without segments nothing is excused here, except that a line came more than once, because
 * delivery is at least once.
 */
import { NO_PREVIOUS } from "../chain.ts";
import { classify } from "../damage.ts";
import type { Aftermath, Break, Damage, RecordDamageKind } from "../damage.ts";
import { EnvelopeReader, holdsTwo, laterVersion, parseRecord } from "../envelope.ts";
import type { Envelope } from "../envelope.ts";
import { RECORD_BYTES_MAX } from "../record.ts";

/** A sender repeats at most what it sent in the last second before a crash; this many are known again. */
const REPEATS_MAX = 65_536;

interface Found {
  readonly seq: number;
  readonly kind: RecordDamageKind;
  readonly why: string;
}

export class LineWalk {
  readonly origin: string;
  readonly #reader: EnvelopeReader;
  readonly #accepted: (seq: number, leaf: string) => void;
  /** One byte in front, so that a line can be hashed where it lies. */
  readonly #block = Buffer.alloc(1 + RECORD_BYTES_MAX);
  readonly #leaves: string[] = [];
  #expected = 0;
  #head = NO_PREVIOUS;
  #lines = 0;
  #junkAt: number | undefined;
  #merged = false;
  #break: Break | undefined;
  #found: Found | undefined;
  #damagedAt = 0;
  readonly #after = { next: undefined as Envelope | undefined, expectedLater: false, foundLater: false };
  /** Lines that came again. */
  repeated = 0;
  bytes = 0;
  firstTime: string | undefined;
  #lastLine = "";

  constructor(origin: string, accepted: (seq: number, leaf: string) => void = () => undefined) {
    this.origin = origin;
    this.#reader = new EnvelopeReader(origin);
    this.#accepted = accepted;
  }

  /** Good records: the number of the one that would come next. */
  get size(): number {
    return this.#expected;
  }

  get head(): string {
    return this.#head;
  }

  /** The last good record. */
  get last(): Record<string, unknown> | undefined {
    return parseRecord(this.#lastLine);
  }

  /** A line without its newline. */
  line(line: Uint8Array): void {
    this.#lines += 1;
    this.bytes += line.length;
    if (this.#found !== undefined) return;
    const end = this.#put(line);
    const envelope = end === undefined ? undefined : this.#reader.read(this.#block, 1, end);
    if (this.#break !== undefined) this.#lookOn(envelope, this.#break);
    else if (envelope === undefined) this.#noRecord(end);
    else this.#record(envelope, end ?? 1);
  }

  /** After the last line. */
  finish(): Damage | undefined {
    if (this.#break !== undefined) this.#found = classify(this.#break, this.#after satisfies Aftermath);
    if (this.#found === undefined && this.#junkAt !== undefined) {
      this.#found = { seq: this.#expected, kind: "inserted", why: "what stands behind the last record is no record" };
    }
    if (this.#found === undefined) return undefined;
    const { seq, kind, why } = this.#found;
    return { seq, kind, segment: "", offset: this.#damagedAt, message: `record ${seq} is not as it was written (${kind}, line ${this.#damagedAt}): ${why}` };
  }

  /** Undefined where it is too long for a record. */
  #put(line: Uint8Array): number | undefined {
    if (line.length > RECORD_BYTES_MAX) return undefined;
    this.#block.set(line, 1);
    return 1 + line.length;
  }

  #noRecord(end: number | undefined): void {
    this.#damagedAt = this.#junkAt ??= this.#lines;
    if (end === undefined) return;
    this.#merged ||= holdsTwo(this.#block, 1, end);
    const version = laterVersion(this.#block, 1, end);
    if (version !== undefined) this.#found = { seq: this.#expected, kind: "version", why: `it is of version ${version}` };
  }

  #record(envelope: Envelope, end: number): void {
    if (this.#isRepeated(envelope)) {
      this.repeated += 1;
      return;
    }
    if (this.#junkAt !== undefined) this.#found = this.#afterJunk(envelope);
    else if (envelope.seq === this.#expected && envelope.prev === this.#head) this.#accept(envelope, end);
    else this.#breakAt(envelope, end);
  }

  #isRepeated({ seq, leaf }: Envelope): boolean {
    return seq < this.#expected && this.#leaves[seq % REPEATS_MAX] === leaf;
  }

  #accept({ seq, leaf }: Envelope, end: number): void {
    this.#lastLine = this.#block.toString("latin1", 1, end);
    if (seq === 0) this.firstTime = timeOf(this.last);
    this.#leaves[seq % REPEATS_MAX] = leaf;
    this.#expected = seq + 1;
    this.#head = leaf;
    this.#accepted(seq, leaf);
  }

  #breakAt(found: Envelope, end: number): void {
    this.#damagedAt = this.#lines;
    this.#break = { expected: this.#expected, head: this.#head, found, merged: holdsTwo(this.#block, 1, end) };
  }

  /** What stands behind the break shows of which kind it is. */
  #lookOn(envelope: Envelope | undefined, { expected, found }: Break): void {
    if (envelope === undefined) return;
    this.#after.next ??= envelope;
    this.#after.expectedLater ||= envelope.seq === expected;
    this.#after.foundLater ||= envelope.seq === found.seq;
  }

  #afterJunk({ seq }: Envelope): Found {
    const expected = this.#expected;
    if (seq === expected) return { seq, kind: "inserted", why: "a line that is no record stands before it" };
    if (seq === expected + 1 || this.#merged) return { seq: expected, kind: "changed", why: "its line is no record any more" };
    return { seq: expected, kind: seq > expected ? "missing" : "changed", why: `its line is no record, and record ${seq} follows` };
  }
}

export function timeOf(record: Record<string, unknown> | undefined): string | undefined {
  const time = record?.["time"];
  return typeof time === "string" ? time : undefined;
}
