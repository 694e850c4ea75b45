/** The records of a trail, one after the other, in constant memory. Whether they are genuine is for verifyTrail to say. */
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { EnvelopeReader, originOf, parseRecord } from "./envelope.ts";
import { placesIn } from "./folder.ts";
import { lineBatches } from "./lines.ts";
import type { TrailRecord } from "./recorded.ts";
import { bySequence, parseSegmentName } from "./segment-name.ts";
import type { SegmentName } from "./segment-name.ts";

export type { TrailRecord } from "./recorded.ts";

/** A record as it stands in the log, framed but not parsed. */
export interface TrailLine {
  readonly seq: number;
  /** RFC 6962 leaf hash, hex. */
  readonly leaf: string;
  /** Without its newline. */
  readonly text: string;
}

/**
 * The lines of a trail from record `from` on, a block's worth at a time and at the reader's pace, in the order of their numbers:
 * what a segment repeats of its predecessor comes once, and bytes that are no record not at all.
 */
export async function* trailLines(dir: string, from = 0): AsyncGenerator<TrailLine[]> {
  const { log } = placesIn(resolve(dir));
  let reader: EnvelopeReader | undefined;
  let next = from;
  const read = (block: Buffer, start: number, end: number): TrailLine | undefined => {
    reader ??= readerFor(block, start, end);
    const found = reader?.read(block, start, end);
    if (found === undefined || found.seq < next) return undefined;
    next = found.seq + 1;
    return { seq: found.seq, leaf: found.leaf, text: block.toString("latin1", start, end) };
  };
  for (const { name } of segmentsFrom(await readdir(log), from)) yield* lineBatches(join(log, name), read);
}

export function readerFor(block: Buffer, start: number, end: number): EnvelopeReader | undefined {
  const origin = originOf(block, start, end);
  return origin === undefined ? undefined : new EnvelopeReader(origin);
}

/** The parsed records of {@link trailLines}. */
export async function* trailRecords(dir: string, from = 0): AsyncGenerator<TrailRecord> {
  for await (const lines of trailLines(dir, from)) {
    for (const { text } of lines) {
      const record = asTrailRecord(parseRecord(text));
      if (record !== undefined) yield record;
    }
  }
}

/** Those that can hold records from `from` on. */
export function segmentsFrom(names: readonly string[], from: number): SegmentName[] {
  const all = names.map(parseSegmentName).filter((name) => name !== undefined).sort(bySequence);
  return all.filter((_, i) => (all[i + 1]?.first ?? Infinity) > from);
}

export function asTrailRecord(record: Record<string, unknown> | undefined): TrailRecord | undefined {
  return record?.["v"] === 1 && Number.isSafeInteger(record["seq"]) ? (record as unknown as TrailRecord) : undefined;
}
