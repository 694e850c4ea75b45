/** The leaf hashes of a trail's records, for its tree: one for each number, whatever became of the record. */
import { HASH_BYTES } from "../tlog/hash.ts";
import { trailLines } from "./records.ts";

/**
 * Stands where the trail has no record: an operator forced it open behind damage, or the beginning was pruned before there were
 * checkpoints. No record has this hash, so nothing can be passed off as the missing one, and the numbers after it stay right.
 */
export const NO_RECORD: Buffer = Buffer.alloc(HASH_BYTES);

/** A forged number must not make us hash for ever: this many are ten seconds of work. */
const GAP_MAX = 16_000_000;
const GAP_BATCH = 65_536;

export class GapError extends Error {
  /** The first number that is missing. */
  readonly seq: number;

  constructor(seq: number, next: number) {
    super(`records ${seq} to ${next - 1} are missing`);
    this.seq = seq;
  }
}

export interface LeafRange {
  readonly from: number;
  readonly to: number;
  /** Whether records may be missing; otherwise that throws {@link GapError}. */
  readonly gaps: (seq: number) => boolean;
}

/** In batches, at the reader's pace. */
export async function* trailLeaves(folder: string, { from, to, gaps }: LeafRange): AsyncGenerator<Buffer[]> {
  let next = from;
  for await (const lines of from < to ? trailLines(folder, from) : []) {
    const leaves: Buffer[] = [];
    for (const { seq, leaf } of lines) {
      if (seq >= to) break;
      if (seq > next) {
        yield* missing(next, seq, gaps, leaves.splice(0));
        next = seq;
      }
      leaves.push(Buffer.from(leaf, "hex"));
      next += 1;
    }
    yield leaves;
    if (next >= to) return;
  }
  if (next < to) yield* missing(next, to, gaps, []);
}

function* missing(from: number, to: number, gaps: LeafRange["gaps"], before: Buffer[]): Generator<Buffer[]> {
  if (!gaps(from) || to - from > GAP_MAX) throw new GapError(from, to);
  yield before;
  for (let at = from; at < to; at += GAP_BATCH) yield Array.from({ length: Math.min(GAP_BATCH, to - at) }, () => NO_RECORD);
}
