/** The records of a trail that fit a filter, in constant memory. Whether they are genuine is for verifyTrail to say. */
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseRecord } from "./envelope.ts";
import type { EnvelopeReader } from "./envelope.ts";
import { RecordFilter } from "./filter.ts";
import type { TrailFilter } from "./filter-options.ts";
import { placesIn } from "./folder.ts";
import { lineBatches } from "./lines.ts";
import { asTrailRecord, readerFor, segmentsFrom } from "./records.ts";
import type { TrailRecord } from "./recorded.ts";

/** A record that was asked for, and its line as it is stored, without its newline. */
export interface Match {
  readonly record: TrailRecord;
  readonly text: string;
}

export interface QueryTally {
  /** Lines that are no records: ends that a crash left, or damage. Verification tells which. */
  unreadable: number;
}

/** The records of the trail in `dir` that fit, in order. Rejects only where the folder cannot be read. */
export async function* queryTrail(dir: string, filter: TrailFilter = {}): AsyncGenerator<TrailRecord> {
  for await (const batch of queryMatches(dir, filter)) for (const { record } of batch) yield record;
}

/** The same, a block's worth at a time, with the lines. */
export async function* queryMatches(dir: string, filter: TrailFilter, tally: QueryTally = { unreadable: 0 }): AsyncGenerator<Match[]> {
  const { log } = placesIn(resolve(dir));
  const { from = 0, to = Infinity, limit = Infinity } = filter;
  const scan = new Scan(filter, tally);
  let left = limit;
  for (const { name, first } of segmentsFrom(await readdir(log), from)) {
    if (first > to) return;
    scan.enter(first);
    for await (const batch of lineBatches(join(log, name), scan.read)) {
      if (batch.length > 0) yield batch.slice(0, left);
      left -= batch.length;
      if (left <= 0) return;
    }
  }
}

class Scan {
  readonly #filter: RecordFilter;
  readonly #from: number;
  readonly #to: number;
  readonly #tally: QueryTally;
  #reader: EnvelopeReader | undefined;
  /** The record that comes next: lower ones stand here for the second time. A number that is too high moves nothing, for it may be forged. */
  #next = 0;

  constructor(filter: TrailFilter, tally: QueryTally) {
    this.#filter = new RecordFilter(filter);
    this.#from = filter.from ?? 0;
    this.#to = filter.to ?? Infinity;
    this.#tally = tally;
  }

  /** A segment that begins behind what was read follows a gap: pruned, or missing. */
  enter(first: number): void {
    this.#next = Math.max(this.#next, first);
  }

  readonly read = (block: Buffer, start: number, end: number): Match | undefined => {
    this.#reader ??= readerFor(block, start, end);
    const seq = this.#reader?.frame(block, start, end)?.seq;
    if (seq === undefined) {
      this.#tally.unreadable += 1;
      return undefined;
    }
    if (seq < this.#next) return undefined;
    if (seq === this.#next) this.#next += 1;
    return seq < this.#from || seq > this.#to ? undefined : this.#match(block.toString("latin1", start, end));
  };

  #match(text: string): Match | undefined {
    if (!this.#filter.mayMatch(text)) return undefined;
    const record = asTrailRecord(parseRecord(text));
    if (record === undefined) this.#tally.unreadable += 1;
    return record !== undefined && this.#filter.matches(record) ? { record, text } : undefined;
  }
}
