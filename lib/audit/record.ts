/**
 * One event as one line: pure ASCII JSON, in a fixed order of fields, at most {@link RECORD_BYTES_MAX} long.
 *
 * The text is made when the event happens; its place in the chain (`seq`, `prev`) is filled in when it is written, because a
 * record that fails takes no number. Whatever the event holds, there is a record: what cannot be read is described.
 */
import { detailsJson } from "./details.ts";
import { describe, read, readEach, textOrDescription } from "./describe.ts";
import { textJson } from "./escape.ts";
import { EVENTS } from "./event-table.ts";
import { EVENT_TYPES, isEventType, OUTCOMES, SEVERITIES } from "./events.ts";
import type { AuditEventType, AuditOutcome, EventCommon, Severity } from "./events.ts";
import { TextField } from "./field.ts";
import type { Stamps } from "./stamp.ts";
import { targetJson } from "./target.ts";

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
  readonly covers?: Covered | undefined;
  /** What a line has between its sequence number and `prev`. */
  readonly middle: string;
  /** The event without its place in the chain, for the places that hear of it when it has none. */
  event(): string;
}

/** Events that stand together in one record. */
export interface Covered {
  readonly severity: Severity;
  readonly count: number;
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
  readonly reasonEnd: number;
  readonly actorEnd: number;
  readonly targetEnd: number;
}

/** What all records of one log have in common. */
export interface Frame {
  /** See {@link linePrefix}. */
  readonly prefix: string;
  readonly stamps: Stamps;
  /** Called where an event could not be read at all and only an outline of it is recorded. */
  readonly unreadable: (severity: Severity, failure: unknown) => void;
}

/** How every line of a trail of this origin begins; the sequence number follows. */
export function linePrefix(origin: string): string {
  return `{"v":${RECORD_VERSION},"origin":${textJson(origin, ORIGIN_MAX)},"seq":`;
}

export const ORIGIN_MAX: number = 256;

export function draftOf(event: unknown, frame: Frame, covers?: Covered): Draft {
  const given = fieldsOf(typeof event === "object" && event !== null ? event : { type: event });
  const type = kindOf(given.type);
  const severity = severityOf(given.severity, type);
  const start = frame.stamps.next() + WORDS[type][severity];
  const room = RECORD_BYTES_MAX - FRAME_MAX - frame.prefix.length - start.length;
  const said = body(given, type, severity, room, frame.unreadable);
  return new EventDraft(type, severity, likenessOf(type, severity, said), covers, start + said.text);
}

class EventDraft implements Draft {
  readonly type: AuditEventType;
  readonly severity: Severity;
  readonly likeness: Likeness | undefined;
  readonly covers: Covered | undefined;
  readonly middle: string;

  constructor(type: AuditEventType, severity: Severity, likeness: Likeness | undefined, covers: Covered | undefined, middle: string) {
    this.type = type;
    this.severity = severity;
    this.likeness = likeness;
    this.covers = covers;
    this.middle = middle;
  }

  event(): string {
    return `{${this.middle.slice(1)}}`;
  }
}

/** `,"type":…,"sev":…,` of each type and severity. */
const WORDS = Object.fromEntries(EVENT_TYPES.map((type) => [
  type, Object.fromEntries(SEVERITIES.map((severity) => [severity, `,"type":"${type}","sev":"${severity}",`])),
])) as Record<AuditEventType, Record<Severity, string>>;

/** What an event's fields may really hold. */
type Fields = { readonly [K in keyof EventCommon | "type" | "details"]?: unknown };

/** By name, which engines do several times as fast as by a list of names; one by one where a getter throws. */
function fieldsOf(event: Fields): Fields {
  try {
    const { type, severity, outcome, action, reason, actor, target, correlationId, traceId, policy, details } = event;
    return { type, severity, outcome, action, reason, actor, target, correlationId, traceId, policy, details };
  } catch {
    return readEach(event, ["type", "severity", "outcome", "action", "reason", "actor", "target", "correlationId", "traceId", "policy", "details"]);
  }
}

/** The last resort keeps the event's type, time and place in the chain, and counts the rest as a failure to serialize. */
function body(given: Fields, type: AuditEventType, severity: Severity, room: number, unreadable: Frame["unreadable"]): Body {
  try {
    const said = bodyOf(given, type, severity);
    if (said.text.length <= room) return said;
    throw new RangeError(`the record's own part would take ${said.text.length} bytes`);
  } catch (failure) {
    unreadable(severity, failure);
    const text = `"outcome":"info","action":"unknown","reason":"UNREADABLE_EVENT","details":{"failure":${describe(failure, NAME_MAX)}}`;
    return { text, outcome: undefined, reasonEnd: 0, actorEnd: 0, targetEnd: 0 };
  }
}

const OUTCOME_WORDS = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, `"outcome":"${outcome}"`])) as Record<AuditOutcome, string>;
const ACTION = new TextField(',"action":', CODE_MAX);
const REASON = new TextField(',"reason":', CODE_MAX);
const ACTOR = new TextField(',"actor":', NAME_MAX);
const CORRELATION = new TextField(',"corr":', NAME_MAX);
const TRACE = new TextField(',"trace":', NAME_MAX);

function bodyOf(given: Fields, type: AuditEventType, severity: Severity): Body {
  const outcome = isOutcome(given.outcome) ? given.outcome : undefined;
  let text = OUTCOME_WORDS[outcome ?? "info"] + ACTION.json(given.action ?? "unknown") + REASON.json(given.reason);
  const reasonEnd = text.length;
  text += ACTOR.json(given.actor);
  const actorEnd = text.length;
  if (given.target !== undefined) text += ',"target":' + targetJson(given.target);
  const targetEnd = text.length;
  text += CORRELATION.json(given.correlationId) + TRACE.json(given.traceId);
  if (given.policy !== undefined) text += `,"policy":${policyJson(given.policy)}`;
  if (given.details !== undefined) text += ',"details":' + detailsJson(given.details);
  return { text: text + givenJson(given, type, severity, outcome), outcome, reasonEnd, actorEnd, targetEnd };
}

/** Refusals come in floods; what was allowed, and what the trail says of itself, has its own record always. */
function likenessOf(kind: AuditEventType, severity: Severity, { text, outcome, reasonEnd, actorEnd, targetEnd }: Body): Likeness | undefined {
  if ((outcome !== "denied" && outcome !== "failed") || kind.startsWith("Audit")) return undefined;
  const type = `${kind} ${severity} `;
  return { type, sameKind: type + text.slice(0, reasonEnd), sameActor: type + text.slice(0, actorEnd), equal: type + text.slice(0, targetEnd) };
}

function policyJson(policy: unknown): string {
  if (typeof policy !== "object" || policy === null) return describe(policy, CODE_MAX);
  const part = (key: string): string => `"${key}":${textOrDescription(read(policy, key) ?? "unknown", CODE_MAX)}`;
  return `{${part("id")},${part("version")},${part("digest")}}`;
}

/** What the caller wrote where only a closed set of words is allowed: recorded beside what it was taken for. */
function givenJson(given: Fields, type: AuditEventType, severity: Severity, outcome: AuditOutcome | undefined): string {
  if (given.type === type && (given.severity === undefined || given.severity === severity) && outcome !== undefined) return "";
  const parts: string[] = [];
  if (given.type !== type) parts.push(`"type":${textOrDescription(given.type, GIVEN_MAX)}`);
  if (given.severity !== undefined && given.severity !== severity) parts.push(`"sev":${textOrDescription(given.severity, GIVEN_MAX)}`);
  if (outcome === undefined) parts.push(`"outcome":${textOrDescription(given.outcome, GIVEN_MAX)}`);
  return `,"given":{${parts.join(",")}}`;
}

function isOutcome(given: unknown): given is AuditOutcome {
  return OUTCOMES.includes(given as AuditOutcome);
}

function kindOf(type: unknown): AuditEventType {
  return isEventType(type) ? type : "UnrecognizedEvent";
}

function severityOf(severity: unknown, type: AuditEventType): Severity {
  return SEVERITIES.includes(severity as Severity) ? (severity as Severity) : EVENTS[type].severity;
}
