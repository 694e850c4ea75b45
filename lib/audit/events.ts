/** What can be recorded: a closed table of event types, each with the severity it has unless the event says otherwise. */
import type { Severity } from "../errors.ts";

export type { Severity } from "../errors.ts";

export type AuditEventType =
  | "PathTraversalAttempt"
  | "IntegrityViolation"
  | "MalformedModelRejected"
  | "ResourceLimitViolation"
  | "ModelLoadFailed"
  | "ModelLoaded"
  | "ModelUnloaded"
  | "GuardBroken"
  | "AuditOpened"
  | "AuditClosed"
  | "AuditRotated"
  | "AuditRecovered"
  | "AuditSegmentAbandoned"
  | "AuditEventsLost"
  | "AuditDiskFull"
  | "AuditSpaceRestored"
  | "AuditEventsSuppressed"
  | "AuditPruned"
  | "AuditClockStepped"
  | "AuditConfigured"
  | "AuditDamageForced"
  | "UnrecognizedEvent";

export const EVENT_SEVERITIES: Readonly<Record<AuditEventType, Severity>> = {
  PathTraversalAttempt: "CRITICAL",
  IntegrityViolation: "CRITICAL",
  MalformedModelRejected: "HIGH",
  ResourceLimitViolation: "HIGH",
  ModelLoadFailed: "INFO",
  ModelLoaded: "INFO",
  ModelUnloaded: "INFO",
  /** Somebody asked to write to the file of a model that is in use: its bytes are guarded no longer. */
  GuardBroken: "HIGH",
  /** The life of the trail itself. */
  AuditOpened: "INFO",
  AuditClosed: "INFO",
  AuditRotated: "INFO",
  /** The end of an earlier run was found unfinished; the bytes that are no record are described. */
  AuditRecovered: "HIGH",
  /** A segment failed while it was written; what was not durable stands again in the next one. */
  AuditSegmentAbandoned: "HIGH",
  /** Events that could not be recorded; their callers were told so. */
  AuditEventsLost: "CRITICAL",
  /** The disk took no more; this record was written with the space of the reserve. */
  AuditDiskFull: "CRITICAL",
  /** The disk has room again, and the reserve was made anew. */
  AuditSpaceRestored: "INFO",
  /** A flood: how many like events stand behind this one record, with the digest of all of them. */
  AuditEventsSuppressed: "HIGH",
  /** A segment was deleted under the written retention policy; the chain's hash at the cut stands here. */
  AuditPruned: "HIGH",
  /** The wall clock was set, or the machine slept: the times before and after do not compare. */
  AuditClockStepped: "HIGH",
  /** The trail, or a loader that writes to it, has other settings than before, or weaker ones than the default. */
  AuditConfigured: "HIGH",
  /** A damaged trail was continued because the operator forced it. */
  AuditDamageForced: "CRITICAL",
  /** The event's type is not in this table: recorded all the same, with what was given. */
  UnrecognizedEvent: "HIGH",
};

export type AuditOutcome = "allowed" | "denied" | "failed" | "info";

export const EVENT_TYPES: readonly AuditEventType[] = Object.keys(EVENT_SEVERITIES) as AuditEventType[];
export const SEVERITIES: readonly Severity[] = ["CRITICAL", "HIGH", "INFO"];
export const OUTCOMES: readonly AuditOutcome[] = ["allowed", "denied", "failed", "info"];

export interface AuditTarget {
  readonly path?: string | Uint8Array;
  readonly sizeBytes?: number;
  readonly dev?: bigint | number;
  readonly ino?: bigint | number;
  readonly sha256?: string;
  readonly expectedSha256?: string;
  readonly ggufVersion?: number;
  readonly architecture?: string;
}

export interface AuditEvent {
  readonly type: AuditEventType;
  /** Absent: the type's own. */
  readonly severity?: Severity;
  readonly outcome: AuditOutcome;
  /** `model.load`, `model.unload`, `audit.open`, … */
  readonly action: string;
  /** A stable code, such as DIGEST_MISMATCH. */
  readonly reason?: string;
  /** Text from outside; it may be hostile, and it is recorded all the same. */
  readonly actor?: string;
  readonly correlationId?: string;
  readonly traceId?: string;
  readonly target?: AuditTarget;
  readonly details?: Readonly<Record<string, string | number | boolean | null | undefined>>;
}

export function isEventType(value: unknown): value is AuditEventType {
  return typeof value === "string" && Object.hasOwn(EVENT_SEVERITIES, value);
}
