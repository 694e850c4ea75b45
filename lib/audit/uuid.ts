/** Ids that sort by time: UUID version 7, with the microseconds in the bits that the standard leaves for it. */
import { randomFillSync } from "node:crypto";

/** Random bits come from the kernel's generator a page at a time: a call for each id would cost as much as the rest of its record. */
const POOL_BYTES = 4096;
const TAIL_BYTES = 8;
/** `8a0b-0123456789ab`: the variant's two bits and 62 random ones. */
const TAIL_CHARS = 17;
const HYPHEN_AT = 4;
const HYPHEN = 0x2d;
const DIGITS = Buffer.from("0123456789abcdef", "latin1");

/** The twelve bits in hexadecimal: making the three digits anew would cost as much as the rest of an id. */
const FRACTIONS = Array.from({ length: 4096 }, (_, bits) => `${bits.toString(16).padStart(3, "0")}-`);

const pool = Buffer.alloc(POOL_BYTES);
const spelled = Buffer.alloc((POOL_BYTES / TAIL_BYTES) * TAIL_CHARS, HYPHEN);
/** The ends of the next ids, side by side. */
let tails = "";
let taken = 0;
let headMs = NaN;
let head = "";

/** `unixMs` in whole milliseconds, `subMs` the rest of it in nanoseconds (0..999999). */
export function uuidv7(unixMs: number, subMs: number): string {
  if (unixMs !== headMs) makeHead(unixMs);
  // 12 bits for the part of a millisecond: RFC 9562, section 6.2, method 3.
  return head + (FRACTIONS[Math.floor((subMs * 4096) / 1e6)] ?? "") + tail();
}

function makeHead(unixMs: number): void {
  const digits = unixMs.toString(16).padStart(12, "0");
  headMs = unixMs;
  head = `${digits.slice(0, 8)}-${digits.slice(8)}-7`;
}

/** The variant and 62 random bits, none of them given out twice. */
function tail(): string {
  if (taken === tails.length) refill();
  taken += TAIL_CHARS;
  return tails.slice(taken - TAIL_CHARS, taken);
}

function refill(): void {
  randomFillSync(pool);
  for (let at = 0, to = 0; at < POOL_BYTES; at += TAIL_BYTES, to += TAIL_CHARS) spell(at, to);
  tails = spelled.toString("latin1");
  taken = 0;
}

function spell(at: number, to: number): void {
  pool[at] = 0x80 | ((pool[at] ?? 0) & 0x3f);
  for (let i = 0, char = to; i < TAIL_BYTES; i += 1, char += 2) {
    if (char === to + HYPHEN_AT) char += 1;
    const byte = pool[at + i] ?? 0;
    spelled[char] = DIGITS[byte >> 4] ?? 0;
    spelled[char + 1] = DIGITS[byte & 15] ?? 0;
  }
}
