/** The frame of a line, read without parsing it: its number, its predecessor's hash and its own. */
import { leafAt } from "./lines.ts";
import { linePrefix, RECORD_BYTES_MAX, RECORD_VERSION } from "./record.ts";

export interface Envelope {
  readonly seq: number;
  readonly prev: string;
  readonly leaf: string;
}

const PREV = ',"prev":"';
const HASH_CHARS = 64;
const SUFFIX_CHARS = PREV.length + HASH_CHARS + 2;
const ZERO = 0x30;
const COMMA = 0x2c;
const SEQ_DIGITS_MAX = 16;
const LIFECYCLE = '"type":"Audit';
const RECORD_START = `{"v":${RECORD_VERSION},"origin":`;
const VERSION = /^\{"v":(\d{1,9})[,}]/;

export class EnvelopeReader {
  readonly origin: string;
  readonly #prefix: string;

  constructor(origin: string) {
    this.origin = origin;
    this.#prefix = linePrefix(origin);
  }

  /** Undefined where the line is not framed as a record of this trail. */
  read(block: Buffer, start: number, end: number): Envelope | undefined {
    const frame = this.frame(block, start, end);
    // Field by field: copying the object as a whole would cost a quarter of a verification.
    return frame === undefined ? undefined : { seq: frame.seq, prev: frame.prev, leaf: leafAt(block, start, end) };
  }

  /** The same without the hash, which takes most of the time. */
  frame(block: Buffer, start: number, end: number): Omit<Envelope, "leaf"> | undefined {
    const digits = start + this.#prefix.length;
    const suffix = end - SUFFIX_CHARS;
    if (suffix <= digits || end - start > RECORD_BYTES_MAX) return undefined;
    if (block.toString("latin1", start, digits) !== this.#prefix) return undefined;
    const seq = wholeNumber(block, digits);
    const tail = block.toString("latin1", suffix, end);
    if (seq === undefined || !tail.startsWith(PREV) || !tail.endsWith('"}')) return undefined;
    return { seq, prev: tail.slice(PREV.length, -2) };
  }
}

/** Where a newline was changed, two records stand in one line. A value cannot hold this text: its quotes would be escaped. */
export function holdsTwo(block: Buffer, start: number, end: number): boolean {
  return block.toString("latin1", start + 1, end).includes(RECORD_START);
}

/** True for records about the trail itself. A value cannot hold this text: its quotes would be escaped. */
export function isLifecycle(block: Buffer, start: number, end: number): boolean {
  return block.toString("latin1", start, end).includes(LIFECYCLE);
}

/** The origin that a line names, where it is one of ours. */
export function originOf(block: Buffer, start: number, end: number): string | undefined {
  const record = parseRecord(block.toString("latin1", start, end));
  const origin = record?.["origin"];
  return record?.["v"] === RECORD_VERSION && typeof origin === "string" ? origin : undefined;
}

/** The version where a line says that a later release wrote it. */
export function laterVersion(block: Buffer, start: number, end: number): number | undefined {
  const version = Number(VERSION.exec(block.toString("latin1", start, Math.min(end, start + 16)))?.[1]);
  return version > RECORD_VERSION ? version : undefined;
}

export function parseRecord(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Digits up to a comma, without leading zeros. */
function wholeNumber(block: Buffer, from: number): number | undefined {
  let value = 0;
  let at = from;
  for (; at - from <= SEQ_DIGITS_MAX; at += 1) {
    const byte = block[at] ?? 0;
    if (byte === COMMA) break;
    if (byte < ZERO || byte > ZERO + 9) return undefined;
    value = value * 10 + byte - ZERO;
  }
  const count = at - from;
  const canonical = count === 1 || (count > 1 && block[from] !== ZERO);
  return canonical && count <= SEQ_DIGITS_MAX && Number.isSafeInteger(value) ? value : undefined;
}
