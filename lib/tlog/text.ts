/** The small grammars that all C2SP texts share: base64 and decimals, each in exactly one spelling. */
import { TlogError } from "./errors.ts";
import { HASH_BYTES } from "./hash.ts";

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const DECIMAL = /^(?:0|[1-9]\d{0,15})$/;
const QUOTED_MAX = 80;

/** Standard base64 with padding and without spare bits: two texts never stand for the same bytes. */
export function parseBase64(text: string, what: string): Buffer {
  const bytes = BASE64.test(text) ? Buffer.from(text, "base64") : undefined;
  if (bytes?.toString("base64") === text) return bytes;
  throw new TlogError("MALFORMED", `${what} is not base64: ${quoted(text)}`);
}

export function parseHash(text: string, what: string): Buffer {
  const hash = parseBase64(text, what);
  if (hash.length !== HASH_BYTES) throw new TlogError("MALFORMED", `${what} has ${hash.length} bytes instead of ${HASH_BYTES}`);
  return hash;
}

/** No sign, no leading zeros, and small enough that a JavaScript number holds it exactly. */
export function parseDecimal(text: string, what: string): number {
  const value = DECIMAL.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new TlogError("MALFORMED", `${what} is not a decimal number below 2^53: ${quoted(text)}`);
}

/** Foreign text in a message: visible, in one line, not endless. */
export function quoted(text: string): string {
  const shown = text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}...` : text;
  return JSON.stringify(shown).replaceAll(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
