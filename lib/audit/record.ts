/**
 * One event as one line: pure ASCII JSON, in a fixed order of fields, at most {@link RECORD_BYTES_MAX} long.
 *
 * The text is made when the event happens; its place in the chain (`seq`, `prev`) is filled in when it is written, because a
 * record that fails takes no number. Whatever the event holds, there is a record: what cannot be read is described.
 */
import type { Instant, Timekeeper } from "./clock.ts";
import { detailsJson } from "./details.ts";
import { describe, read, textOrDescription } from "./describe.ts";
import { textJson } from "./escape.ts";
import { EVENTS } from "./event-table.ts";
import { isEventType, OUTCOMES, SEVERITIES } from "./events.ts";
import type { AuditEventType, AuditOutcome, Severity } from "./events.ts";
import { targetJson } from "./target.ts";
import { uuidv7 } from "./uuid.ts";

/** An entry of a C2SP tile holds 65,535 bytes at most; this leaves room, and a reader can bound its buffer. */
export const RECORD_BYTES_MAX: number = 16_384;
export const RECORD_VERSION: number = 1;

/** Caps of single fields, in characters of JSON. Together with those of target and details they keep below the maximum. */
export const CODE_MAX: number = 128;
export const NAME_MAX: number = 512;
export const GIVEN_MAX: number = 64;
/** The words between the parts: the sequence number's digits, type, severity, `prev` and the braces. */
const FRAME_MAX = 192;

/** A record that still waits for its place in the chain. */
export interface Draft {
  readonly type: AuditEventType;
  readonly severity: Severity;
  /** Absent where the event must always have a record of its own. */
  readonly likeness?: Likeness | undefined;
  /** How many events of which severity this record stands for; absent: itself. */
  readonly covers?: { readonly severity: Severity; readonly count: number };
  line(seq: number, prev: string): string;
  /** The event without its place in the chain, for the places that hear of it when it has none. */
  event(): string;
}

/** What like events have in common, from the narrowest likeness to the widest; `type` is type and severity alone. */
export interface Likeness {
  readonly equal: string;
  readonly sameActor: string;
  readonly sameKind: string;
  readonly type: string;
}

/** How far the body's text reaches with reason, actor and target. */
interface Body {
  readonly text: string;
  readonly outcome: AuditOutcome | undefined;
  readonly ends: readonly [reason: number, actor: number, target: number];
}

/** What all records of one log have in common. */
export interface Frame {
  /** See {@link linePrefix}. */
  readonly prefix: string;
  readonly identity: string;
  readonly time: Timekeeper;
  /** Called where an event could not be read at all and only an outline of it is recorded. */
  readonly unreadable: (severity: Severity, failure: unknown) => void;
}

/** How every line of a trail of this origin begins; the sequence number follows. */
export function linePrefix(origin: string): string {
  return `{"v":${RECORD_VERSION},"origin":${textJson(origin, ORIGIN_MAX)},"seq":`;
}

export const ORIGIN_MAX: number = 256;

export function draftOf(event: unknown, frame: Frame): Draft {
  const source = typeof event === "object" && event !== null ? event : { type: event };
  const type = kindOf(read(source, "type"));
  const severity = severityOf(read(source, "severity"), type);
  const instant = frame.time.now();
  const stamp = stampJson(instant, frame);
  const room = RECORD_BYTES_MAX - FRAME_MAX - frame.prefix.length - stamp.length;
  const said = body(source, type, severity, room, frame.unreadable);
  const middle = `${stamp},"type":"${type}","sev":"${severity}",${said.text}`;
  return {
    type,
    severity,
    likeness: likenessOf(type, severity, said),
    line: (seq, prev) => `${frame.prefix}${seq}${middle},"prev":"${prev}"}`,
    event: () => `{${middle.slice(1)}}`,
  };
}

function stampJson(instant: Instant, frame: Frame): string {
  const id = uuidv7(instant.unixMs, instant.subMs);
  return `,"id":"${id}","time":"${frame.time.text(instant)}","mono":"${instant.mono}",${frame.identity}`;
}

/** The last resort keeps the event's type, time and place in the chain, and counts the rest as a failure to serialize. */
function body(source: object, type: AuditEventType, severity: Severity, room: number, unreadable: Frame["unreadable"]): Body {
  try {
    const said = bodyOf(source, type, severity);
    if (said.text.length <= room) return said;
    throw new RangeError(`the record's own part would take ${said.text.length} bytes`);
  } catch (failure) {
    unreadable(severity, failure);
    const text = `"outcome":"info","action":"unknown","reason":"UNREADABLE_EVENT","details":{"failure":${describe(failure, NAME_MAX)}}`;
    return { text, outcome: undefined, ends: [0, 0, 0] };
  }
}

function bodyOf(source: object, type: AuditEventType, severity: Severity): Body {
  const given = read(source, "outcome");
  const outcome = OUTCOMES.find((known) => known === given);
  let text = `"outcome":"${outcome ?? "info"}","action":${textOrDescription(read(source, "action") ?? "unknown", CODE_MAX)}`;
  text += optional(source, "reason", "reason", CODE_MAX);
  const reasonEnd = text.length;
  text += optional(source, "actor", "actor", NAME_MAX);
  const actorEnd = text.length;
  const target = read(source, "target");
  if (target !== undefined) text += `,"target":${targetJson(target)}`;
  const targetEnd = text.length;
  text += optional(source, "correlationId", "corr", NAME_MAX);
  text += optional(source, "traceId", "trace", NAME_MAX);
  const policy = read(source, "policy");
  if (policy !== undefined) text += `,"policy":${policyJson(policy)}`;
  const details = read(source, "details");
  if (details !== undefined) text += `,"details":${detailsJson(details)}`;
  return { text: text + givenJson(source, type, severity, outcome), outcome, ends: [reasonEnd, actorEnd, targetEnd] };
}

/** Refusals come in floods; what was allowed, and what the trail says of itself, has its own record always. */
function likenessOf(kind: AuditEventType, severity: Severity, { text, outcome, ends: [reason, actor, target] }: Body): Likeness | undefined {
  if ((outcome !== "denied" && outcome !== "failed") || kind.startsWith("Audit")) return undefined;
  const type = `${kind} ${severity} `;
  return { type, sameKind: type + text.slice(0, reason), sameActor: type + text.slice(0, actor), equal: type + text.slice(0, target) };
}

function optional(source: object, key: string, name: string, max: number): string {
  const value = read(source, key);
  return value === undefined ? "" : `,"${name}":${textOrDescription(value, max)}`;
}

function policyJson(policy: unknown): string {
  if (typeof policy !== "object" || policy === null) return describe(policy, CODE_MAX);
  const part = (key: string): string => `"${key}":${textOrDescription(read(policy, key) ?? "unknown", CODE_MAX)}`;
  return `{${part("id")},${part("version")},${part("digest")}}`;
}

/** What the caller wrote where only a closed set of words is allowed: recorded beside what it was taken for. */
function givenJson(source: object, type: AuditEventType, severity: Severity, outcome: AuditOutcome | undefined): string {
  const parts: string[] = [];
  const givenType = read(source, "type");
  const givenSeverity = read(source, "severity");
  if (givenType !== type) parts.push(`"type":${textOrDescription(givenType, GIVEN_MAX)}`);
  if (givenSeverity !== undefined && givenSeverity !== severity) parts.push(`"sev":${textOrDescription(givenSeverity, GIVEN_MAX)}`);
  if (outcome === undefined) parts.push(`"outcome":${textOrDescription(read(source, "outcome"), GIVEN_MAX)}`);
  return parts.length === 0 ? "" : `,"given":{${parts.join(",")}}`;
}

function kindOf(type: unknown): AuditEventType {
  return isEventType(type) ? type : "UnrecognizedEvent";
}

function severityOf(severity: unknown, type: AuditEventType): Severity {
  return SEVERITIES.find((known) => known === severity) ?? EVENTS[type].severity;
}
