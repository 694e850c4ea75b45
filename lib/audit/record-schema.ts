/**
 * The JSON Schema (draft 2020-12) of a record, made from the tables and limits that the writer itself uses. It is published as
 * record.schema.json; a test holds the two equal.
 *
 * The root says what holds for every record, whatever was passed to `emit`: a value of the wrong kind is recorded as a description of
 * it. `#/$defs/<type>` says more: the details that a record of this type has where its event was of the published type.
 */
import { ENTRIES_MAX, KEY_MAX, VALUE_MAX } from "./details.ts";
import { EVENTS } from "./event-table.ts";
import type { DetailSpec, EventSpec } from "./event-table.ts";
import { EVENT_TYPES, OUTCOMES, SEVERITIES } from "./events.ts";
import { CODE_MAX, GIVEN_MAX, NAME_MAX, ORIGIN_MAX, RECORD_VERSION } from "./record.ts";
import type { RecordedHost, RecordedPolicy, RecordedProcess, RecordedTarget, TrailRecord } from "./recorded.ts";
import { FIELD_MAX, PATH_BYTES_MAX, PATH_TEXT_MAX } from "./target.ts";

export type Schema = Readonly<Record<string, unknown>>;
/** A schema for each field of a type: the compiler tells when the two no longer have the same. */
type FieldsOf<T> = { readonly [K in keyof Required<T>]: Schema };

const HEX_256: Schema = { type: "string", pattern: "^[0-9a-f]{64}$" };
const WHOLE: Schema = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const DIGITS: Schema = { type: "string", pattern: "^[0-9]{1,20}$" };
const UUID_V7 = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$";
const TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z$";
const ORIGIN = `^[!#-*,-\\[\\]-~]{1,${ORIGIN_MAX}}$`;
/** Room for the escapes and the digest of a key that was cut. */
const KEY_CHARS_MAX = 2 * KEY_MAX + 4;

export function recordSchema(): Schema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `urn:model-loader:audit-record:${RECORD_VERSION}`,
    title: "A record of model-loader's audit trail",
    description: "One line of a segment. Text from outside is escaped: every code point outside 0x20..0x7e, and the backslash, is \\u{XXXX}.",
    ...closed<TrailRecord>(RECORD, OPTIONAL),
    $defs: { ...definitions(), ...Object.fromEntries(EVENT_TYPES.map((type) => [type, eventSchema(type, EVENTS[type])])) },
  };
}

const RECORD: FieldsOf<TrailRecord> = {
  v: { const: RECORD_VERSION },
  origin: { type: "string", pattern: ORIGIN },
  seq: WHOLE,
  id: { type: "string", pattern: UUID_V7 },
  time: { type: "string", pattern: TIME, description: "UTC" },
  mono: { ...DIGITS, description: "Nanoseconds of the monotonic clock, which begins with the boot" },
  boot: printable(64),
  host: closed<RecordedHost>({
    name: printable(NAME_MAX),
    id: { type: "string", pattern: "^[0-9a-f]{32}$" },
    container: HEX_256,
  }, ["id", "container"]),
  proc: closed<RecordedProcess>({
    pid: WHOLE, start: WHOLE, thread: WHOLE, node: printable(CODE_MAX), version: printable(CODE_MAX),
    uid: { type: "integer", minimum: -1 }, euid: { type: "integer", minimum: -1 },
  }, []),
  type: { enum: EVENT_TYPES },
  sev: { enum: SEVERITIES },
  outcome: { enum: OUTCOMES },
  action: text(CODE_MAX),
  reason: text(CODE_MAX),
  actor: text(NAME_MAX),
  target: { anyOf: [target(), described(FIELD_MAX)] },
  corr: text(NAME_MAX),
  trace: text(NAME_MAX),
  policy: { anyOf: [closed<RecordedPolicy>({ id: text(CODE_MAX), version: text(CODE_MAX), digest: text(CODE_MAX) }, []), described(CODE_MAX)] },
  details: {
    type: "object",
    propertyNames: { maxLength: KEY_CHARS_MAX, pattern: "^[ -~]*$" },
    additionalProperties: scalar(VALUE_MAX),
    maxProperties: ENTRIES_MAX,
  },
  detailsOmitted: { ...WHOLE, minimum: 1 },
  given: { ...closed({ type: text(GIVEN_MAX), sev: text(GIVEN_MAX), outcome: text(GIVEN_MAX) }, ["type", "sev", "outcome"]), minProperties: 1 },
  prev: { ...HEX_256, description: "SHA-256 of a zero byte and the line before; zeros in the first record" },
};

const OPTIONAL: readonly (keyof TrailRecord)[] = [
  "host", "reason", "actor", "target", "corr", "trace", "policy", "details", "detailsOmitted", "given",
];

function target(): Schema {
  const fields: FieldsOf<RecordedTarget> = {
    path: text(PATH_TEXT_MAX), pathBytes: { $ref: "#/$defs/bytes" },
    sizeBytes: scalar(FIELD_MAX), dev: text(FIELD_MAX), ino: text(FIELD_MAX),
    sha256: text(FIELD_MAX), expectedSha256: text(FIELD_MAX), expectedFrom: text(FIELD_MAX),
    ggufVersion: scalar(FIELD_MAX), architecture: text(FIELD_MAX),
  };
  return closed<RecordedTarget>(fields, Object.keys(fields) as (keyof RecordedTarget)[]);
}

/** A field's kind by the most characters that its text takes; each is defined once. */
function text(max: number): Schema {
  return { $ref: `#/$defs/text${max}` };
}

function described(max: number): Schema {
  return { $ref: `#/$defs/described${max}` };
}

function scalar(max: number): Schema {
  return { anyOf: [{ type: "number" }, { type: "boolean" }, { type: "null" }, text(max)] };
}

function definitions(): Record<string, Schema> {
  const base64 = { type: "string", pattern: "^[A-Za-z0-9+/]*={0,2}$", maxLength: 4 * Math.ceil(PATH_BYTES_MAX / 3) };
  const kinds = [GIVEN_MAX, CODE_MAX, NAME_MAX, PATH_TEXT_MAX].flatMap((max) => [
    [`text${max}`, { anyOf: [printable(max), cut(max), described(max)] }],
    [`described${max}`, closed({ type: printable(16), text: { anyOf: [printable(max), cut(max)] } }, [])],
  ]);
  return {
    ...Object.fromEntries(kinds) as Record<string, Schema>,
    text: { anyOf: [printable(VALUE_MAX), cut(VALUE_MAX)] },
    whole: WHOLE,
    bytes: { anyOf: [base64, closed({ base64, len: WHOLE, sha256: HEX_256, hashed: WHOLE, truncated: { const: true } }, ["hashed"])] },
  };
}

/** The beginning of a text that was too long, with length and digest of all of it. */
function cut(max: number): Schema {
  const fields = { text: printable(max), len: WHOLE, sha256: HEX_256, encoding: { const: "utf16le" }, hashed: WHOLE, truncated: { const: true } };
  return closed(fields, ["encoding", "hashed"]);
}

function printable(max: number): Schema {
  return { type: "string", pattern: "^[ -~]*$", maxLength: max };
}

function eventSchema(type: string, { severity, details }: EventSpec): Schema {
  const names = Object.keys(details);
  const required = names.filter((name) => !isOptional(details[name]));
  const properties = Object.fromEntries(names.map((name) => [name, detail(details[name] ?? "text")]));
  return {
    description: `${type} is ${severity} unless its record says otherwise.`,
    $ref: "#",
    type: "object",
    properties: {
      type: { const: type },
      details: { type: "object", properties, required, ...(names.length === 0 ? {} : { additionalProperties: false }) },
    },
    required: required.length === 0 ? ["type"] : ["type", "details"],
  };
}

function isOptional(spec: DetailSpec | undefined): boolean {
  return typeof spec === "string" && spec.endsWith("?");
}

function detail(spec: DetailSpec): Schema {
  if (typeof spec !== "string") return { enum: spec };
  const kind = spec.replace("?", "");
  if (kind === "text" || kind === "whole") return { $ref: `#/$defs/${kind}` };
  return { type: kind === "flag" ? "boolean" : "number" };
}

/** An object with these fields and no others. */
function closed<T extends object>(properties: FieldsOf<T>, optional: readonly (keyof T)[]): Schema {
  const required = (Object.keys(properties) as (keyof T)[]).filter((name) => !optional.includes(name));
  return { type: "object", properties, required, additionalProperties: false };
}
