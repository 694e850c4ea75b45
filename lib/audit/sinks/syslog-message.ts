/** A record as a syslog message of RFC 5424. */
import { hostname } from "node:os";
import { parseRecord } from "../envelope.ts";
import { toCef } from "../export/cef.ts";
import type { Severity } from "../events.ts";
import type { TrailRecord } from "../recorded.ts";
import type { TrailLine } from "../records.ts";

export interface MessageOptions {
  /** 0 to 23; 13 is "log audit". */
  readonly facility: number;
  /** `line`: the record byte for byte, so that the chain can be verified from the messages. */
  readonly format: "line" | "cef";
  /** The IANA private enterprise number under which the record's own data are named; without one there is none of it. */
  readonly enterprise: number | undefined;
}

const SEVERITIES: Readonly<Record<Severity, number>> = { CRITICAL: 2, HIGH: 3, INFO: 6 };
/** Digits of a second's fraction that the format allows. */
const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})\d*Z$/;
const HOST_MAX = 255;
const PROCID_MAX = 128;
const MSGID_MAX = 32;
const SEQUENCE_ID_MAX = 2_147_483_647;
const NIL = "-";

/** Pure ASCII without control characters: a newline cannot stand in a record, so one record is one message. */
export function syslogMessage({ text, seq, leaf }: TrailLine, { facility, format, enterprise }: MessageOptions): string {
  const record = parseRecord(text) as TrailRecord | undefined;
  if (record === undefined) throw new Error(`record ${seq} cannot be read`);
  const pri = facility * 8 + SEVERITIES[record.sev];
  const header = [time(record.time), name(record.host?.name ?? hostname(), HOST_MAX), "model-loader", name(String(record.proc.pid), PROCID_MAX), name(record.type, MSGID_MAX)];
  return `<${pri}>1 ${header.join(" ")} ${structuredData(record, leaf, enterprise)} ${format === "cef" ? toCef(record) : text}`;
}

/** The registered elements need no number of one's own. */
function structuredData({ origin, seq, proc }: TrailRecord, leaf: string, enterprise: number | undefined): string {
  const known = element("origin", { software: "model-loader", swVersion: proc.version }) + element("meta", { sequenceId: String((seq % SEQUENCE_ID_MAX) + 1) });
  return enterprise === undefined ? known : known + element(`audit@${enterprise}`, { origin, seq: String(seq), leaf });
}

function element(id: string, parameters: Readonly<Record<string, string>>): string {
  const written = Object.entries(parameters).map(([key, value]) => ` ${key}="${value.replace(/["\\\]]/g, "\\$&")}"`);
  return `[${id}${written.join("")}]`;
}

function time(text: string): string {
  const [, kept] = TIME.exec(text) ?? [];
  return kept === undefined ? NIL : `${kept}Z`;
}

/** Printable ASCII without spaces, or nothing. */
function name(text: string, max: number): string {
  const kept = text.replace(/[^!-~]/g, "").slice(0, max);
  return kept === "" ? NIL : kept;
}
