/**
 * Text from outside as text that a terminal, a log viewer and a parser all read the same way.
 *
 * Every code point outside 0x20..0x7e, and the backslash itself, becomes a visible `\u{XXXX}`. So a backslash in escaped
 * text always begins an escape, two different texts never look alike, and {@link unescapeText} gives back the original.
 * Hostile text is never rejected: a check that refuses it would let an attacker choose what is not recorded.
 */
import { hash } from "node:crypto";

/** Printable ASCII without backslash, and without the quote that JSON would escape. */
const PLAIN_IN_JSON = /^[ !#-[\]-~]*$/;
const PLAIN = /^[ -[\]-~]*$/;
const HOSTILE = /[^ -[\]-~]/gu;
const ESCAPE = /\\u\{([0-9A-F]{4,6})\}/g;

/** More than this is not hashed, so that an absurd text cannot hold up the event loop; `hashed` then says how much was. */
const HASHED_MAX = 16 * 1024 * 1024;

export function escapeText(text: string): string {
  return PLAIN.test(text) ? text : text.replace(HOSTILE, visible);
}

export function unescapeText(escaped: string): string {
  return escaped.replace(ESCAPE, (_, hex: string) => String.fromCodePoint(parseInt(hex, 16)));
}

/** True where the escaped text is the text itself. */
export function isPlain(text: string): boolean {
  return PLAIN.test(text);
}

/**
 * `text` as a JSON value whose text takes at most `max` characters: a string, or where it is longer
 * `{"text","len","sha256","truncated":true}` with the length in UTF-16 units and the digest of the whole.
 */
export function textJson(text: string, max: number): string {
  if (text.length <= max) {
    if (PLAIN_IN_JSON.test(text)) return `"${text}"`;
    const json = JSON.stringify(escapeText(text));
    if (json.length <= max + 2) return json;
  }
  const start = JSON.stringify(escapeText(text.slice(0, unitsThatFit(text, max))));
  return `{"text":${start},"len":${text.length},${textDigest(text)},"truncated":true}`;
}

/** `bytes` as base64, or where there are more than `max` of them as `{"base64","len","sha256","truncated":true}`. */
export function bytesJson(bytes: Uint8Array, max: number): string {
  const start = `"${Buffer.from(bytes.subarray(0, max)).toString("base64")}"`;
  if (bytes.length <= max) return start;
  const digest = hash("sha256", bytes.subarray(0, HASHED_MAX), "hex");
  return `{"base64":${start},"len":${bytes.length},"sha256":"${digest}"${hashedPart(bytes.length)},"truncated":true}`;
}

function visible(char: string): string {
  const hex = (char.codePointAt(0) ?? 0).toString(16).toUpperCase();
  return `\\u{${hex.padStart(4, "0")}}`;
}

/** How many units of `text` take at most `max` characters once escaped and quoted. */
function unitsThatFit(text: string, max: number): number {
  let cost = 0;
  let unit = 0;
  while (unit < text.length) {
    const point = text.codePointAt(unit) ?? 0;
    cost += costOf(point);
    if (cost > max) break;
    unit += point > 0xffff ? 2 : 1;
  }
  return unit;
}

/** Characters in the JSON text: the escape's own backslash is doubled there. */
function costOf(point: number): number {
  if (point === 0x22) return 2;
  if (point >= 0x20 && point <= 0x7e && point !== 0x5c) return 1;
  return 5 + Math.max(4, point.toString(16).length);
}

/** UTF-8, as `sha256sum` sees it; text that is not valid Unicode has no UTF-8, and is hashed as UTF-16. */
function textDigest(text: string): string {
  const part = text.length > HASHED_MAX ? text.slice(0, HASHED_MAX) : text;
  if (part.isWellFormed()) return `"sha256":"${hash("sha256", part, "hex")}"${hashedPart(text.length)}`;
  const digest = hash("sha256", Buffer.from(part, "utf16le"), "hex");
  return `"sha256":"${digest}","encoding":"utf16le"${hashedPart(text.length)}`;
}

function hashedPart(length: number): string {
  return length > HASHED_MAX ? `,"hashed":${HASHED_MAX}` : "";
}
