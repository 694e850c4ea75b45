/**
 * Entry bundles: the records themselves, in the files that a C2SP monitor reads.
 *
 * They are not written beside the log by default. A bundle repeats the bytes of its 256 records, which would double the trail's
 * size and its writes, and the trail's lines are those very bytes: whoever has the folder can hash them. An export for readers
 * who only know C2SP tiles makes bundles from the lines.
 */
import { TlogError } from "./errors.ts";
import { TILE_WIDTH } from "./tile.ts";

/** Its length is written in two bytes. */
export const ENTRY_BYTES_MAX: number = 65_535;
const LENGTH_BYTES = 2;

export function formatBundle(entries: readonly Uint8Array[]): Buffer {
  if (entries.length > TILE_WIDTH) throw new TlogError("OUT_OF_RANGE", `a bundle holds ${TILE_WIDTH} records, not ${entries.length}`);
  return Buffer.concat(entries.flatMap((entry) => [lengthOf(entry), entry]));
}

export function parseBundle(bundle: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let offset = 0; offset < bundle.length; ) {
    const start = offset + LENGTH_BYTES;
    const end = start <= bundle.length ? start + bundle.readUInt16BE(offset) : Infinity;
    if (end > bundle.length) throw new TlogError("MALFORMED", `the bundle ends within the record at byte ${offset}`);
    entries.push(bundle.subarray(start, end));
    offset = end;
  }
  if (entries.length > TILE_WIDTH) throw new TlogError("MALFORMED", `the bundle holds ${entries.length} records; ${TILE_WIDTH} is the most`);
  return entries;
}

function lengthOf(entry: Uint8Array): Buffer {
  if (entry.length > ENTRY_BYTES_MAX) throw new TlogError("OUT_OF_RANGE", `a record of ${entry.length} bytes does not fit a bundle; ${ENTRY_BYTES_MAX} is the most`);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(entry.length);
  return length;
}
