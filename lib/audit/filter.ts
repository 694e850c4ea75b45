/**
 * Which records are asked for. Most lines are turned away by their raw text, without being parsed: a name like `"type":"X"` stands in
 * a line only where a field has it, because quotes within values are escaped. What passes is parsed and judged by its fields.
 */
import { isPlain, textJson, unescapeText } from "./escape.ts";
import { judgeFilter } from "./filter-options.ts";
import type { TrailFilter } from "./filter-options.ts";
import { NAME_MAX, CODE_MAX } from "./record.ts";
import type { RecordedText, TrailRecord } from "./recorded.ts";
import { targetOf, textOf } from "./recorded.ts";

export class RecordFilter {
  readonly #hints: readonly string[][];
  readonly #judges: readonly ((record: TrailRecord) => boolean)[];
  readonly #since: string;
  readonly #until: string;

  /** @throws TypeError that names the part: one that is misspelt would let everything through */
  constructor(filter: TrailFilter) {
    judgeFilter(filter);
    const { since, until, types, severities, outcomes, actor, reason, correlationId, target } = filter;
    this.#since = since === undefined ? "" : timeText(since);
    this.#until = until === undefined ? "~" : timeText(until);
    this.#hints = [
      ...anyOf("type", types), ...anyOf("sev", severities), ...anyOf("outcome", outcomes),
      ...same("actor", actor, NAME_MAX), ...same("reason", reason, CODE_MAX), ...same("corr", correlationId, NAME_MAX),
      ...(target === undefined ? [] : [targetHint(Buffer.from(target))]),
    ];
    this.#judges = [
      ...oneOf(types, ({ type }) => type), ...oneOf(severities, ({ sev }) => sev), ...oneOf(outcomes, (record) => record.outcome),
      ...equals(actor, NAME_MAX, (record) => record.actor), ...equals(reason, CODE_MAX, (record) => record.reason),
      ...equals(correlationId, NAME_MAX, ({ corr }) => corr),
      ...(target === undefined ? [] : [targetJudge(Buffer.from(target))]),
    ];
  }

  /** False only where the line cannot be one of those asked for. Its time is settled here: no text from outside comes before it. */
  mayMatch(line: string): boolean {
    const time = line.indexOf(TIME);
    const text = line.slice(time + TIME.length, time + TIME.length + TIME_CHARS);
    if (time === -1 || text < this.#since || text >= this.#until) return false;
    return this.#hints.every((words) => words.some((word) => line.includes(word)));
  }

  /** Judges the record of a line that may match. */
  matches(record: TrailRecord): boolean {
    return this.#judges.every((judge) => judge(record));
  }
}

const TIME = '"time":"';
const TIME_CHARS = "2026-01-01T00:00:00.000000000Z".length;

/** In the form of the records' times, which sort as text. */
function timeText(date: Date): string {
  return date.toISOString().replace("Z", "000000Z");
}

function anyOf(field: string, words: readonly string[] | undefined): string[][] {
  return words === undefined ? [] : [words.map((word) => `"${field}":"${word}"`)];
}

/** Escaping is the same for the same text, so a text can be compared without undoing it. */
function same(field: string, text: string | undefined, max: number): string[][] {
  return text === undefined ? [] : [[`"${field}":${textJson(text, max)}`]];
}

function oneOf<T>(words: readonly T[] | undefined, field: (record: TrailRecord) => T): ((record: TrailRecord) => boolean)[] {
  return words === undefined ? [] : [(record) => words.includes(field(record))];
}

function equals(text: string | undefined, max: number, field: (record: TrailRecord) => RecordedText | undefined): ((record: TrailRecord) => boolean)[] {
  if (text === undefined) return [];
  const wanted = textJson(text, max);
  return [(record) => JSON.stringify(field(record)) === wanted];
}

/** The longest stretch without wildcards stands in the line, unless the path was cut or holds bytes that are no plain text. */
function targetHint(pattern: Buffer): string[] {
  const stretches = pattern.toString("latin1").split(/[*?]/u).filter((stretch) => isPlain(stretch) && !stretch.includes('"'));
  const longest = stretches.reduce((best, stretch) => (stretch.length > best.length ? stretch : best), "");
  return [longest, '"truncated":true'];
}

function targetJudge(pattern: Buffer): (record: TrailRecord) => boolean {
  const text = pattern.toString("latin1");
  const fits = /[*?]/u.test(text) ? glob(text) : (path: string) => path.includes(text);
  return (record) => {
    const path = pathBytes(record);
    return path !== undefined && fits(path);
  };
}

/** Without backtracking: each stretch between stars is looked for once, behind the one before. */
function glob(pattern: string): (path: string) => boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  return (path) => {
    if (!fitsAt(path, 0, first)) return false;
    if (last === undefined) return path.length === first.length;
    let at = first.length;
    for (const stretch of rest) {
      while (at + stretch.length <= path.length && !fitsAt(path, at, stretch)) at += 1;
      at += stretch.length;
    }
    return path.length - last.length >= at && fitsAt(path, path.length - last.length, last);
  };
}

function fitsAt(path: string, at: number, stretch: string): boolean {
  if (at + stretch.length > path.length) return false;
  for (let i = 0; i < stretch.length; i += 1) {
    if (stretch[i] !== "?" && stretch[i] !== path[at + i]) return false;
  }
  return true;
}

/** One character a byte; of a path that was cut, what was kept. */
function pathBytes(record: TrailRecord): string | undefined {
  const { path, pathBytes: raw } = targetOf(record);
  if (raw !== undefined) return Buffer.from(typeof raw === "string" ? raw : raw.base64, "base64").toString("latin1");
  const text = textOf(path);
  return text === undefined ? undefined : Buffer.from(unescapeText(text)).toString("latin1");
}
