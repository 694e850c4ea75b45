/** The options that say which records are asked for; query and export have the same. */
import { EVENT_TYPES, OUTCOMES, SEVERITIES } from "../audit/events.ts";
import type { Severity } from "../audit/events.ts";
import type { TrailFilter } from "../audit/filter-options.ts";
import { UsageError, wholeNumber } from "./args.ts";
import { didYouMean } from "./suggest.ts";
import { visible } from "./terminal.ts";

export const FILTER_OPTIONS = [
  "since", "until", "type", "severity", "outcome", "actor", "reason", "corr", "target", "seq", "limit",
] as const;
export const FILTER_LISTS = ["type", "outcome"] as const;
export type FilterOption = (typeof FILTER_OPTIONS)[number];

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const AGO = /^(\d{1,6})([smhdw])$/u;
const INSTANT = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/u;

/** @throws UsageError that says what to write instead */
export function parseFilter(options: ReadonlyMap<FilterOption, string>, nowMs: number): TrailFilter {
  return withoutUndefined({
    since: timeOf(options.get("since"), "since", nowMs),
    until: timeOf(options.get("until"), "until", nowMs),
    types: wordsOf(options.get("type"), "type", EVENT_TYPES),
    severities: severitiesOf(options.get("severity")),
    outcomes: wordsOf(options.get("outcome"), "outcome", OUTCOMES),
    actor: options.get("actor"),
    reason: options.get("reason"),
    correlationId: options.get("corr"),
    target: options.get("target"),
    ...rangeOf(options.get("seq")),
    limit: wholeNumber(options.get("limit"), "limit"),
  });
}

function timeOf(text: string | undefined, option: string, nowMs: number): Date | undefined {
  if (text === undefined) return undefined;
  const [, number, unit] = AGO.exec(text) ?? [];
  if (unit !== undefined) return new Date(nowMs - Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS]);
  const date = new Date(INSTANT.test(text) ? text : NaN);
  if (!Number.isNaN(date.getTime())) return date;
  throw new UsageError(`--${option} must be a time such as 2026-11-24, 2026-11-24T07:30:00Z or 24h (ago), not ${visible(text, 40)}.`);
}

function wordsOf<T extends string>(text: string | undefined, option: string, known: readonly T[]): T[] | undefined {
  return text?.split(",").map((word) => {
    const found = known.find((one) => one === word);
    if (found !== undefined) return found;
    const near = didYouMean(word, known);
    throw new UsageError(`--${option} knows no ${visible(word, 40)}.${near === "" ? ` Known: ${known.join(", ")}.` : near}`);
  });
}

/** One word means that severity and graver ones; several, separated by commas, mean just those. */
function severitiesOf(text: string | undefined): Severity[] | undefined {
  const words = wordsOf(text?.toUpperCase(), "severity", SEVERITIES);
  const [least, another] = words ?? [];
  return least === undefined || another !== undefined ? words : SEVERITIES.slice(0, SEVERITIES.indexOf(least) + 1);
}

function rangeOf(text: string | undefined): { from?: number; to?: number } {
  if (text === undefined) return {};
  const [, from, dots, to] = /^(\d*)(\.\.)?(\d*)$/u.exec(text) ?? [];
  if (from === undefined || (from === "" && (to ?? "") === "")) {
    throw new UsageError(`--seq must be a number or a range such as 100..200, 100.. or ..200, not ${visible(text, 40)}.`);
  }
  const first = wholeNumber(from === "" ? "0" : from, "seq") ?? 0;
  if (dots === undefined) return { from: first, to: first };
  return withoutUndefined({ from: first, to: to === "" ? undefined : wholeNumber(to, "seq") });
}

function withoutUndefined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}
