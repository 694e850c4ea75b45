/**
 * The way through a trail's segments, record by record: numbers without a gap, each chained to the one before, each segment
 * beginning where the last one ended. Verification walks the whole trail, recovery its end; both accept the same.
 *
 * Between a segment and its successor two things are accepted besides that, because a failed disk leaves them (see trail.ts):
 * - the successor repeats the last records of its predecessor, the very same ones: the chain runs through the repeated records
 *   to the same hash;
 * - bytes at the end of the predecessor that are no record, if a later record describes them exactly. Of a
 *   segment that was abandoned there may be less than described, because a failed file's end was never durable; what the
 *   successor repeats is all that counts from there on.
 */
import { join } from "node:path";
import { readAftermath } from "./aftermath.ts";
import type { Damage, RecordDamageKind } from "./damage.ts";
import { classify } from "./damage.ts";
import { EnvelopeReader, holdsTwo, isLifecycle, laterVersion, originOf, parseRecord } from "./envelope.ts";
import type { Envelope } from "./envelope.ts";
import { digestFrom, eachLine } from "./lines.ts";
import type { Extent } from "./lines.ts";
import { describes, descriptionIn, isExact } from "./open-tail.ts";
import type { Description, OpenTail } from "./open-tail.ts";
import type { SegmentName } from "./segment-name.ts";

/** Where a record lies. */
export interface Spot {
  readonly segment: SegmentName;
  readonly offset: number;
  readonly len: number;
}

export interface WalkOptions {
  readonly folder: string;
  /** The number that the first segment must begin with; absent where its name is believed. */
  readonly first?: number;
  readonly firstHead?: string;
  /** The beginning was pruned: what the records say of that is gathered. */
  readonly pruned?: boolean;
  /** Told of each record that stands in its place with its leaf hash; of repeated ones again. */
  readonly accepted?: (seq: number, leaf: string) => void;
}

/** What a visit found wrong; it ends the walk. */
interface Found {
  readonly seq: number;
  readonly kind: RecordDamageKind;
  readonly offset: number;
  readonly why: string;
}

/** A value cannot hold this text: its quotes would be escaped. */
const PRUNED = '"type":"AuditPruned"';

export class Walk {
  readonly #options: WalkOptions;
  #reader: EnvelopeReader | undefined;
  #expected: number;
  /** The leaf hash of the record before the expected one; undefined where that lies before the walk. */
  #head: string | undefined;
  /** The furthest record that any segment holds, while a later segment repeats its predecessor's end. */
  #furthest: { seq: number; head: string | undefined; segment: SegmentName } | undefined;
  /** Heads at the numbers where the next segment begins. */
  #headAtNext: string | undefined;
  #next: SegmentName | undefined;
  #segment: SegmentName = { name: "", first: 0, attempt: 0 };
  #junkAt: number | undefined;
  #break: Envelope | undefined;
  /** The line of the break, or the first one that is no record, holds two records. */
  #merged = false;
  #found: Found | undefined;
  #undescribed: OpenTail[] = [];
  #descriptions: Description[] = [];
  /** Names of segments that a record about the trail speaks of. */
  readonly named: Set<string> = new Set();
  /** What the first record names as its predecessor. */
  firstPrev: string | undefined;
  /** Places where the trail was cut by its own retention, as its records say: `next head`. */
  readonly cuts: Set<string> = new Set();
  records = 0;
  bytes = 0;
  described = 0;
  last: Spot | undefined;
  first: Spot | undefined;
  damage: Damage | undefined;

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#expected = options.first ?? 0;
    this.#head = options.firstHead;
  }

  get origin(): string | undefined {
    return this.#reader?.origin;
  }

  /** The number of the record that would come next. */
  get size(): number {
    return Math.max(this.#expected, this.#furthest?.seq ?? 0);
  }

  get head(): string | undefined {
    return this.#furthest !== undefined && this.#furthest.seq > this.#expected ? this.#furthest.head : this.#head;
  }

  /** Records that an earlier segment holds and its successors, which should repeat them, do not. */
  get unrepeated(): { from: number; to: number; segment: SegmentName } | undefined {
    const furthest = this.#furthest;
    return furthest !== undefined && furthest.seq > this.#expected
      ? { from: this.#expected, to: furthest.seq, segment: furthest.segment } : undefined;
  }

  /** Ends of segments that are no record and that nothing describes. */
  get undescribed(): readonly OpenTail[] {
    return this.#undescribed;
  }

  /** Stops at the first damage. */
  async run(segments: readonly SegmentName[]): Promise<void> {
    for (const [i, segment] of segments.entries()) {
      this.#next = segments[i + 1];
      await this.#walk(segment, segments.slice(i));
      if (this.damage !== undefined) return;
    }
  }

  async #walk(segment: SegmentName, rest: readonly SegmentName[]): Promise<void> {
    if (!(await this.#enter(segment))) return;
    const extent = await eachLine(this.#path(segment), (block, start, end, offset) => this.#line(block, start, end, offset));
    this.bytes += extent.bytes;
    if (this.#break !== undefined) await this.#classifyBreak(this.#break, rest);
    else if (this.#found === undefined) this.#leave(extent);
    await this.#settleDescriptions();
    if (this.#found !== undefined) this.#damaged(this.#found);
  }

  /** Checks the segment's name against what is expected, and goes back where it repeats its predecessor's end. */
  async #enter(segment: SegmentName): Promise<boolean> {
    const previous = this.#segment;
    const started = previous.name !== "";
    this.#segment = segment;
    if (segment.first > this.#expected && (started || this.#options.first !== undefined)) return this.#gap(previous, segment);
    if (!started && this.#options.first === undefined) this.#expected = segment.first;
    if (segment.first < this.#expected) return this.#goBack(previous, segment);
    this.#headAtNext = undefined;
    return true;
  }

  async #gap(previous: SegmentName, segment: SegmentName): Promise<boolean> {
    const seq = this.#expected;
    const tail = this.#undescribed.find((open) => open.segment === previous);
    if (tail === undefined && (await this.#beginsWith(segment, seq))) {
      this.#damaged({ seq, kind: "renamed", offset: 0, why: `the segment's name says ${segment.first}, and it begins with ${seq}` });
      return false;
    }
    if (tail !== undefined) this.#segment = previous;
    const kind = tail === undefined ? "missing" : segment.first === seq + 1 ? "changed" : "cut";
    const why = previous.name === "" ? `the first segment is ${segment.name}` : `${previous.name} ends before it, and ${segment.name} begins after it`;
    this.#damaged({ seq, kind, offset: tail?.offset ?? 0, why });
    return false;
  }

  async #beginsWith(segment: SegmentName, seq: number): Promise<boolean> {
    let begins = false;
    await eachLine(this.#path(segment), (block, start, end) => {
      begins = this.#envelope(block, start, end, 0)?.seq === seq;
      return false;
    });
    return begins;
  }

  #goBack(previous: SegmentName, segment: SegmentName): boolean {
    if (previous.name === "" || segment.first < previous.first) {
      this.#damaged({ seq: this.#expected, kind: "renamed", offset: 0, why: `the segment's name says ${segment.first}` });
      return false;
    }
    if ((this.#furthest?.seq ?? 0) < this.#expected) this.#furthest = { seq: this.#expected, head: this.#head, segment: previous };
    this.#expected = segment.first;
    this.#head = this.#headAtNext;
    this.#headAtNext = undefined;
    return true;
  }

  #line(block: Buffer, start: number, end: number, offset: number): boolean {
    const envelope = this.#envelope(block, start, end, offset);
    if (envelope === undefined) {
      if (this.#junkAt === undefined) this.#merged = holdsTwo(block, start, end);
      this.#junkAt ??= offset;
      if (this.records === 1) this.#doubtOrigin(block, start, end);
      return this.#found === undefined;
    }
    if (this.#junkAt !== undefined) this.#found = this.#afterJunk(envelope, this.#junkAt);
    else if (envelope.seq !== this.#expected || (this.#head !== undefined && envelope.prev !== this.#head)) this.#breakAt(envelope, offset, holdsTwo(block, start, end));
    else this.#accept(envelope, block, start, end, offset);
    return this.#found === undefined && this.#break === undefined;
  }

  #envelope(block: Buffer, start: number, end: number, offset: number): Envelope | undefined {
    if (this.#reader === undefined) {
      // Only a line whose whole frame is in order says which origin the trail has.
      const reader = new EnvelopeReader(originOf(block, start, end) ?? "");
      if (reader.read(block, start, end) !== undefined) this.#reader = reader;
    }
    const envelope = this.#reader?.read(block, start, end);
    const version = envelope === undefined ? laterVersion(block, start, end) : undefined;
    if (version !== undefined) this.#found = { seq: this.#expected, kind: "version", offset, why: `it is of version ${version}` };
    return envelope;
  }

  /** The origin was taken from the first record. If the second names another and is not chained to it, the first was changed. */
  #doubtOrigin(block: Buffer, start: number, end: number): void {
    const origin = originOf(block, start, end);
    if (origin === undefined || origin === this.origin || this.first === undefined) return;
    if (parseRecord(block.toString("latin1", start, end))?.["prev"] === this.#head) return;
    this.#found = { seq: this.#expected - 1, kind: "changed", offset: this.first.offset, why: `its origin is not ${origin}, which its successor names` };
  }

  #accept(envelope: Envelope, block: Buffer, start: number, end: number, offset: number): void {
    if (envelope.seq === this.#next?.first) this.#headAtNext = this.#head ?? envelope.prev;
    this.#about(block, start, end);
    this.#options.accepted?.(envelope.seq, envelope.leaf);
    this.#expected += 1;
    this.#head = envelope.leaf;
    this.records += 1;
    this.last = { segment: this.#segment, offset, len: end - start };
    this.first ??= this.last;
    this.firstPrev ??= envelope.prev;
    if (this.#options.pruned === true && block.subarray(start, end).includes(PRUNED)) this.#cut(block.toString("latin1", start, end));
    if (this.#furthest !== undefined && this.#expected >= this.#furthest.seq) this.#meet(this.#furthest, offset);
  }

  #cut(line: string): void {
    const record = parseRecord(line);
    const { next, head } = (record?.["details"] ?? {}) as Record<string, unknown>;
    if (record?.["type"] === "AuditPruned") this.cuts.add(`${String(next)} ${String(head)}`);
  }

  /** The repeated records end here: with the very hash with which they ended where they stood first. */
  #meet(furthest: { head: string | undefined }, offset: number): void {
    this.#furthest = undefined;
    if (furthest.head === this.#head) return;
    const why = `${this.#segment.name} repeats the end of its predecessor, but not the same records`;
    this.#found = { seq: this.#expected - 1, kind: "changed", offset, why };
  }

  /** Reads what records about the trail say of segments: recovery needs all of it, verification what describes an open end. */
  #about(block: Buffer, start: number, end: number): void {
    const needed = this.#undescribed.length > 0 || this.#options.first === undefined;
    if (!needed || !isLifecycle(block, start, end)) return;
    const description = descriptionIn(block.toString("latin1", start, end));
    if (description === undefined) return;
    this.named.add(description.segment);
    this.#descriptions.push(description);
  }

  #tornAt(tail: OpenTail, why: string): Found {
    this.#segment = tail.segment;
    return { seq: tail.seq, kind: "torn", offset: tail.offset, why: `${tail.len} bytes there ${why}` };
  }

  #breakAt(envelope: Envelope, offset: number, merged: boolean): void {
    this.#break = envelope;
    this.#merged = merged;
    this.#junkAt = offset;
  }

  #afterJunk(envelope: Envelope, offset: number): Found {
    const seq = this.#expected;
    if (envelope.seq === seq) return { seq, kind: "inserted", offset, why: "a line that is no record stands before it" };
    if (envelope.seq === seq + 1 || this.#merged) return { seq, kind: "changed", offset, why: "its line is no record any more" };
    if (envelope.seq > seq) return { seq, kind: "cut", offset, why: `a part of its line is followed by record ${envelope.seq}` };
    return { seq, kind: "changed", offset, why: `its line is no record any more, and record ${envelope.seq} follows` };
  }

  #leave(extent: Extent): void {
    const offset = Math.min(this.#junkAt ?? extent.end, extent.end);
    if (offset < extent.bytes) {
      this.#undescribed.push({ segment: this.#segment, offset, len: extent.bytes - offset, seq: this.#expected });
    }
    this.#junkAt = undefined;
    if (this.#next?.first === this.#expected) this.#headAtNext = this.#head;
  }

  /** A description counts only if the bytes are really those. */
  async #settleDescriptions(): Promise<void> {
    const left: OpenTail[] = [];
    for (const tail of this.#undescribed) {
      const description = this.#descriptions.find((candidate) => describes(candidate, tail));
      if (description === undefined) left.push(tail);
      else if (!isExact(description, tail) || (await digestFrom(this.#path(tail.segment), tail.offset)) === description.sha256) this.described += 1;
      else this.#found ??= this.#tornAt(tail, "are not those that a later record describes");
    }
    this.#undescribed = left;
    this.#descriptions = [];
  }

  /** Reads on to see what kind of break it is. */
  async #classifyBreak(found: Envelope, rest: readonly SegmentName[]): Promise<void> {
    const offset = this.#junkAt ?? 0;
    if (offset === 0 && this.last?.segment !== this.#segment && found.seq === this.size && found.prev === this.head) {
      this.#found = { seq: found.seq, kind: "renamed", offset, why: `the segment's name says ${this.#segment.first}` };
      return;
    }
    const broken = { expected: this.#expected, head: this.#head ?? found.prev, found, merged: this.#merged };
    const paths = rest.map((segment) => this.#path(segment));
    const { seq, kind, why } = classify(broken, await readAftermath(this.#reader ?? new EnvelopeReader(""), broken, paths, offset));
    this.#found = { seq, kind, offset, why };
  }

  #damaged({ seq, kind, offset, why }: Found): void {
    const place = `${this.#segment.name}, byte ${offset}`;
    this.damage = { seq, kind, segment: this.#segment.name, offset, message: `record ${seq} is ${WORDS[kind]} (${place}): ${why}` };
  }

  #path(segment: SegmentName): string {
    return join(this.#options.folder, segment.name);
  }
}

const WORDS: Readonly<Record<RecordDamageKind, string>> = {
  changed: "changed",
  missing: "missing",
  inserted: "preceded by an inserted line",
  swapped: "not in its place",
  cut: "cut out",
  torn: "torn",
  renamed: "in a renamed segment",
  version: "of a later version",
};
