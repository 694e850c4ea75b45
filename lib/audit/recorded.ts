/** A record as it is read back: what the writer (record.ts) makes of an event, field by field. */
import type { AuditEventType, AuditOutcome, Severity } from "./events.ts";

/** Text that was too long: its beginning, its length in UTF-16 units and the digest of all of it. */
export interface CutText {
  readonly text: string;
  readonly len: number;
  readonly sha256: string;
  /** Absent: the digest is of the text's UTF-8. Text that is no valid Unicode has none. */
  readonly encoding?: "utf16le";
  /** How many units were hashed, where that is not all of them. */
  readonly hashed?: number;
  readonly truncated: true;
}

/** A value of a kind that the field cannot hold: what it was, and how it looked. */
export interface DescribedValue {
  readonly type: string;
  readonly text: string | CutText;
}

/** Escaped text: a backslash always begins an escape, and unescapeText gives back the original. */
export type RecordedText = string | CutText | DescribedValue;
export type RecordedScalar = number | boolean | null | RecordedText;

/** Base64, or the beginning of it where there were too many bytes. */
export type RecordedBytes =
  | string
  | { readonly base64: string; readonly len: number; readonly sha256: string; readonly hashed?: number; readonly truncated: true };

export interface RecordedTarget {
  readonly path?: RecordedText;
  /** The path's bytes, where its text is not the path itself. */
  readonly pathBytes?: RecordedBytes;
  readonly sizeBytes?: RecordedScalar;
  /** Decimal digits: these numbers can be above 2^53. */
  readonly dev?: RecordedText;
  readonly ino?: RecordedText;
  readonly sha256?: RecordedText;
  readonly expectedSha256?: RecordedText;
  readonly expectedFrom?: RecordedText;
  readonly ggufVersion?: RecordedScalar;
  readonly architecture?: RecordedText;
}

/** The rules that a decision was made under; equal digests mean equal rules. */
export interface RecordedPolicy {
  readonly id: RecordedText;
  readonly version: RecordedText;
  readonly digest: RecordedText;
}

export interface RecordedHost {
  readonly name: string;
  /** Made from the machine's id, which is itself kept private; absent where the system has none. */
  readonly id?: string;
  readonly container?: string;
}

export interface RecordedProcess {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly start: number;
  readonly uid: number;
  readonly euid: number;
  readonly thread: number;
  readonly node: string;
  /** Of this package and its addon. */
  readonly version: string;
}

export interface TrailRecord {
  readonly v: 1;
  readonly origin: string;
  readonly seq: number;
  readonly id: string;
  readonly time: string;
  readonly mono: string;
  readonly boot: string;
  /** Absent in records of the first releases, as is `policy`. */
  readonly host?: RecordedHost;
  readonly proc: RecordedProcess;
  readonly type: AuditEventType;
  readonly sev: Severity;
  readonly outcome: AuditOutcome;
  readonly action: RecordedText;
  readonly reason?: RecordedText;
  readonly actor?: RecordedText;
  readonly target?: RecordedTarget | DescribedValue;
  readonly corr?: RecordedText;
  readonly trace?: RecordedText;
  readonly policy?: RecordedPolicy | DescribedValue;
  readonly details?: Readonly<Record<string, RecordedScalar>>;
  /** Details that did not fit. */
  readonly detailsOmitted?: number;
  /** What the caller wrote where only a closed set of words is allowed. */
  readonly given?: { readonly type?: RecordedText; readonly sev?: RecordedText; readonly outcome?: RecordedText };
  readonly prev: string;
}

/** The text of a field, or as much of it as was kept. */
export function textOf(value: RecordedScalar | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null) return String(value);
  return textOf(value.text);
}

/** The target of an event that had one of the expected shape. */
export function targetOf({ target }: TrailRecord): RecordedTarget {
  return target === undefined || isDescribed(target) ? {} : target;
}

export function policyOf({ policy }: TrailRecord): RecordedPolicy | undefined {
  return policy === undefined || isDescribed(policy) ? undefined : policy;
}

function isDescribed(value: object): value is DescribedValue {
  return "type" in value && "text" in value;
}
