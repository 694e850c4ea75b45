/** Ids that sort by time: UUID version 7, with the microseconds in the bits that the standard leaves for it. */
import { randomFillSync } from "node:crypto";

/** Random bits come from the kernel's generator a page at a time: a call for each id would cost as much as the rest of its record. */
const POOL_BYTES = 4096;
const TAIL_BYTES = 8;
/** The variant's two bits are 10; the digit's other two are random. */
const VARIANT = "89ab";

/** The twelve bits in hexadecimal: making the three digits anew would cost as much as the rest of an id. */
const FRACTIONS = Array.from({ length: 4096 }, (_, bits) => bits.toString(16).padStart(3, "0"));

const pool = Buffer.alloc(POOL_BYTES);
let hex = "";
let taken = 0;
let lastMs = NaN;
let lastMsText = "";

/** `unixMs` in whole milliseconds, `subMs` the rest of it in nanoseconds (0..999999). */
export function uuidv7(unixMs: number, subMs: number): string {
  // 12 bits for the part of a millisecond: RFC 9562, section 6.2, method 3.
  const fraction = FRACTIONS[Math.floor((subMs * 4096) / 1e6)] ?? "";
  return `${millis(unixMs)}-7${fraction}-${randomTail()}`;
}

function millis(unixMs: number): string {
  if (unixMs !== lastMs) {
    const digits = unixMs.toString(16).padStart(12, "0");
    lastMs = unixMs;
    lastMsText = `${digits.slice(0, 8)}-${digits.slice(8)}`;
  }
  return lastMsText;
}

/** The variant and 62 random bits, none of them given out twice. */
function randomTail(): string {
  if (taken === hex.length) {
    hex = randomFillSync(pool).toString("hex");
    taken = 0;
  }
  const at = taken;
  taken += 2 * TAIL_BYTES;
  const variant = VARIANT.charAt(((pool[at / 2] ?? 0) >> 4) & 3);
  return `${variant}${hex.slice(at + 1, at + 4)}-${hex.slice(at + 4, taken)}`;
}
