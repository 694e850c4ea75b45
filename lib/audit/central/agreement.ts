/** Do a host's own trail and the copy that arrived elsewhere agree? */
import type { Damage } from "../damage.ts";
import { EnvelopeReader } from "../envelope.ts";
import { RECORD_BYTES_MAX } from "../record.ts";
import { trailLines } from "../records.ts";
import type { CentralTrail } from "./sources.ts";

/** A good copy: how many records it holds, and the leaf hash of the last. */
export interface CopyEnd {
  readonly size: number;
  readonly head: string;
}

/** The copy must have been read before: a trail that is alive only becomes longer. */
export async function disagreement(dir: string, copy: CopyEnd, trail: CentralTrail): Promise<Damage | undefined> {
  if (copy.size === 0 || (await leafOf(dir, copy.size - 1)) === copy.head) return undefined;
  return firstDifference(dir, trail, copy);
}

/** The chain makes the hash of one record speak for all before it: only where the last ones differ, all are compared. */
async function firstDifference(dir: string, trail: CentralTrail, { size }: CopyEnd): Promise<Damage> {
  const reader = new EnvelopeReader(trail.origin);
  const own = leavesIn(dir);
  let mine = await own.next();
  try {
    for await (const line of trail.lines()) {
      const there = line.length > RECORD_BYTES_MAX ? undefined : reader.read(Buffer.concat([Buffer.alloc(1), line]), 1, line.length + 1);
      if (there === undefined) continue;
      while (mine.done !== true && mine.value.seq < there.seq) mine = await own.next();
      if (mine.done === true) return cut(there.seq, size);
      if (mine.value.seq === there.seq && mine.value.leaf !== there.leaf) return forked(there.seq);
    }
  } finally {
    await own.return(undefined);
  }
  return cut(size - 1, size);
}

function cut(from: number, size: number): Damage {
  const gone = from === size - 1 ? `record ${from} has` : `records ${from} to ${size - 1} have`;
  return damage(from, `${gone} arrived here and are not in the host's own trail: its end was cut off, or an old copy was put back`);
}

function forked(seq: number): Damage {
  return damage(seq, `the host's own trail has another record ${seq} than the one that arrived here: from there on one of them was written anew`);
}

function damage(seq: number, message: string): Damage {
  return { seq, kind: "rolled-back", segment: "", offset: 0, message };
}

async function leafOf(dir: string, seq: number): Promise<string | undefined> {
  for await (const line of leavesIn(dir, seq)) return line.seq === seq ? line.leaf : undefined;
  return undefined;
}

async function* leavesIn(dir: string, from = 0): AsyncGenerator<{ seq: number; leaf: string }, undefined, undefined> {
  for await (const lines of trailLines(dir, from)) yield* lines;
  return undefined;
}
