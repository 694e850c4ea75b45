/** What can be recorded: an event of one of the types of the table, with the details that belong to its type. */
import { EVENTS } from "./event-table.ts";
import type { AuditEventType, DetailsOf } from "./event-table.ts";
import type { Severity } from "../errors.ts";

export type { Severity } from "../errors.ts";

export type { AuditEventType, DetailsOf } from "./event-table.ts";

export type AuditOutcome = "allowed" | "denied" | "failed" | "info";

export const EVENT_TYPES: readonly AuditEventType[] = Object.keys(EVENTS) as AuditEventType[];
export const SEVERITIES: readonly Severity[] = ["CRITICAL", "HIGH", "INFO"];
export const OUTCOMES: readonly AuditOutcome[] = ["allowed", "denied", "failed", "info"];

export interface AuditTarget {
  readonly path?: string | Uint8Array;
  readonly sizeBytes?: number;
  readonly dev?: bigint | number;
  readonly ino?: bigint | number;
  readonly sha256?: string;
  readonly expectedSha256?: string;
  /** Who promised the expected digest: `caller`, or the manifest or signature that names it. */
  readonly expectedFrom?: string;
  readonly ggufVersion?: number;
  readonly architecture?: string;
}

/** The rules that a decision was made under; equal digests mean equal rules. */
export interface AuditPolicy {
  readonly id: string;
  readonly version: string;
  readonly digest: string;
}

/** What an event of any type can say. */
export interface EventCommon {
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
  readonly policy?: AuditPolicy;
}

/** An event of type `T`; its details may be left out where none of them is required. */
export type AuditEventOf<T extends AuditEventType> =
  EventCommon & { readonly type: T } &
  (Partial<DetailsOf<T>> extends DetailsOf<T> ? { readonly details?: DetailsOf<T> } : { readonly details: DetailsOf<T> });

/** Any event. `type` tells which details go with it; what a caller without types passes besides is recorded all the same. */
export type AuditEvent = { [T in AuditEventType]: AuditEventOf<T> }[AuditEventType];

export function isEventType(value: unknown): value is AuditEventType {
  return typeof value === "string" && Object.hasOwn(EVENTS, value);
}
