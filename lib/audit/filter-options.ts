/** What a caller can ask a trail for; all of it is judged before anything is read. */
import { types as valueTypes } from "node:util";
import { bagOf, kindOf, namesOf } from "../option-bag.ts";
import { EVENT_TYPES, OUTCOMES, SEVERITIES } from "./events.ts";
import type { AuditEventType, AuditOutcome, Severity } from "./events.ts";

/** Every part that is given must fit. */
export interface TrailFilter {
  /** At this time or later. */
  readonly since?: Date;
  /** Before this time. */
  readonly until?: Date;
  readonly types?: readonly AuditEventType[];
  readonly severities?: readonly Severity[];
  readonly outcomes?: readonly AuditOutcome[];
  /** Exactly this text, as it was given to the call; the same for `reason` and `correlationId`. */
  readonly actor?: string;
  readonly reason?: string;
  readonly correlationId?: string;
  /** A part of the path, or a pattern for all of it where it holds `*` (any bytes) or `?` (one byte). Bytes for names that are no text. */
  readonly target?: string | Uint8Array;
  /** Sequence numbers, both included. */
  readonly from?: number;
  readonly to?: number;
  /** At most so many records. */
  readonly limit?: number;
}

const NAMES = namesOf<TrailFilter>({
  since: true, until: true, types: true, severities: true, outcomes: true, actor: true, reason: true, correlationId: true, target: true, from: true, to: true,
  limit: true,
});
const WORDS = { types: EVENT_TYPES, severities: SEVERITIES, outcomes: OUTCOMES } as const;

/** @throws TypeError that names the part: one that is misspelt would let everything through */
export function judgeFilter(filter: TrailFilter): void {
  const given = bagOf(filter, "filter", NAMES);
  for (const name of ["since", "until"] as const) demand(given[name], isTime, `filter.${name} must be a valid Date`);
  for (const [name, known] of Object.entries(WORDS)) demand(given[name], (value) => isListOf(value, known), `filter.${name} must be an array of words from ${known.join(", ")}`);
  for (const name of ["actor", "reason", "correlationId"] as const) demand(given[name], isText, `filter.${name} must be a string, not ${kindOf(given[name])}`);
  demand(given["target"], (value) => isText(value) || valueTypes.isUint8Array(value), `filter.target must be a string or bytes, not ${kindOf(given["target"])}`);
  for (const name of ["from", "to", "limit"] as const) demand(given[name], isCount, `filter.${name} must be a whole number from 0 on`);
}

function demand(value: unknown, fits: (value: unknown) => boolean, message: string): void {
  if (value !== undefined && !fits(value)) throw new TypeError(message);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isTime(value: unknown): boolean {
  return valueTypes.isDate(value) && !Number.isNaN(value.getTime());
}

function isCount(value: unknown): boolean {
  return value === Infinity || (Number.isSafeInteger(value) && (value as number) >= 0);
}

function isListOf(value: unknown, known: readonly string[]): boolean {
  return Array.isArray(value) && value.every((one) => known.includes(one as string));
}
