/** Ids that sort by time: UUID version 7, with the microseconds in the bits that the standard leaves for it. */
import { randomUUID } from "node:crypto";

/** `unixMs` in whole milliseconds, `subMs` the rest of it in nanoseconds (0..999999). */
export function uuidv7(unixMs: number, subMs: number): string {
  const ms = unixMs.toString(16).padStart(12, "0");
  // 12 bits for the part of a millisecond: RFC 9562, section 6.2, method 3.
  const fraction = Math.floor((subMs * 4096) / 1e6).toString(16).padStart(3, "0");
  // The tail of a random UUID brings the variant bits and 62 random ones.
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7${fraction}-${randomUUID().slice(19)}`;
}
