/** What is wrong with a trail, where it is first seen, and of which kind it is. */

export type DamageKind =
  /** A record's bytes are not those that its successor was chained to, or are no record any more. */
  | "changed"
  /** Whole records are gone. */
  | "missing"
  /** A line stands where none was written. */
  | "inserted"
  /** A record stands elsewhere than where it was written. */
  | "swapped"
  /** A stretch of the file is gone that began or ended within a record. */
  | "cut"
  /** Bytes that are no record and that no later record describes: a crash, or a cut at the end. */
  | "torn"
  /** Records that were signed are gone from the end, or the trail was written anew from this record on. */
  | "rolled-back"
  /** The records are as signed, and a tile of their tree is not; it can be made again. */
  | "tile"
  /** The signed checkpoint is gone, changed, of another key or log, or lacks a witness's word. */
  | "checkpoint"
  /** A file's name does not say which record it begins with. */
  | "renamed"
  /** Written by a later version of this program. */
  | "version";

/** What the records alone can show. */
export type RecordDamageKind = Exclude<DamageKind, "rolled-back" | "tile" | "checkpoint">;

export interface Damage {
  /** The first record that is not as it was written. */
  readonly seq: number;
  readonly kind: DamageKind;
  readonly segment: string;
  readonly offset: number;
  readonly message: string;
}

/** What the rest of the trail shows about the line at which the chain broke. */
export interface Aftermath {
  /** The next line that is a record. */
  readonly next: { readonly seq: number; readonly prev: string; readonly leaf: string } | undefined;
  /** The record that was expected stands somewhere later. */
  readonly expectedLater: boolean;
  /** The number that was found stands somewhere later once more. */
  readonly foundLater: boolean;
}

export interface Break {
  readonly expected: number;
  readonly head: string;
  readonly found: { readonly seq: number; readonly prev: string; readonly leaf: string };
  /** The line holds two records. */
  readonly merged: boolean;
}

/** A digest of other content differs in nearly every digit; a few differing digits mean that the field itself was edited. */
const EDITED_DIGITS_MAX = 16;

/** Which record was damaged and how, when the frame of `found` is sound but its place in the chain is not. */
export function classify(broken: Break, after: Aftermath): { seq: number; kind: RecordDamageKind; why: string } {
  const { expected, found } = broken;
  if (found.seq === expected) return contentChanged(broken, after);
  return found.seq > expected ? tooFar(broken, after) : tooEarly(broken, after);
}

/** Lines that were edited in a row all name predecessors that are no more: the first of them is the first bad one. */
function contentChanged({ expected, head, found, merged }: Break, { next }: Aftermath): { seq: number; kind: RecordDamageKind; why: string } {
  if (merged) return { seq: expected, kind: "changed", why: "the newline after it was changed" };
  if (expected === 0 || differingDigits(found.prev, head) <= EDITED_DIGITS_MAX) {
    return { seq: expected, kind: "changed", why: "its own link to its predecessor was changed" };
  }
  if (next !== undefined && next.seq > expected + 1) {
    return { seq: expected, kind: "cut", why: `its line begins as record ${expected} and is followed by record ${next.seq}` };
  }
  return { seq: expected - 1, kind: "changed", why: "its successor was chained to other bytes" };
}

function tooFar({ expected, found }: Break, after: Aftermath): { seq: number; kind: RecordDamageKind; why: string } {
  const { next, expectedLater, foundLater } = after;
  const claim = `record ${found.seq} stands in its place`;
  if (next?.seq === expected) {
    const moved = !foundLater && found.seq === expected + 1 && found.prev === next.leaf;
    return { seq: expected, kind: moved ? "swapped" : "inserted", why: moved ? claim : `a line that claims to be record ${found.seq} stands before it` };
  }
  if (expectedLater) return { seq: expected, kind: "swapped", why: claim };
  if (next?.seq === expected + 1) return { seq: expected, kind: "changed", why: `it claims to be record ${found.seq}` };
  return { seq: expected, kind: "missing", why: `the next record is ${found.seq}` };
}

function tooEarly({ expected, head, found }: Break, { next }: Aftermath): { seq: number; kind: RecordDamageKind; why: string } {
  const altered = next === undefined ? found.prev === head : next.seq === expected + 1;
  if (altered) return { seq: expected, kind: "changed", why: `it claims to be record ${found.seq}` };
  return { seq: expected, kind: "inserted", why: `a line that claims to be record ${found.seq} stands before it` };
}

function differingDigits(a: string, b: string): number {
  let count = 0;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) count += 1;
  return count;
}
