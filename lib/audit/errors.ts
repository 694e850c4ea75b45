/** Why a record could not be made durable, or a trail could not be opened. */

/** Reasons for which an event can fail: the label values of the failure counters. */
export const EMIT_FAILURE_REASONS = [
  "enospc", "eio", "queue_full", "lock", "serialize", "poisoned", "unlinked", "closed", "other",
] as const;
export type EmitFailureReason = (typeof EMIT_FAILURE_REASONS)[number];

/** Those after the first only ever refuse to open a trail. */
export type AuditFailureReason = EmitFailureReason | "damaged" | "rolled_back" | "key" | "folder" | "version";

export class AuditWriteError extends Error {
  override readonly name = "AuditWriteError";
  readonly code = "AUDIT_UNAVAILABLE";
  readonly reason: AuditFailureReason;

  constructor(reason: AuditFailureReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

/** What happened to a file behind its writer's back. */
export type Tampering = "unlinked" | "truncated" | "foreign";

export class TamperedError extends Error {
  readonly tampering: Tampering;

  constructor(tampering: Tampering, message: string) {
    super(message);
    this.tampering = tampering;
  }
}

const BY_CODE: Readonly<Record<string, EmitFailureReason>> = {
  ENOSPC: "enospc", EDQUOT: "enospc", EIO: "eio", ENOENT: "unlinked",
};

/** The system's error as one of ours; an error that is ours already stays as it is. */
export function asWriteError(failure: unknown, what: string): AuditWriteError {
  if (failure instanceof AuditWriteError) return failure;
  const reason = failure instanceof TamperedError ? "unlinked" : (BY_CODE[codeOf(failure)] ?? "other");
  return new AuditWriteError(reason, `${what}: ${messageOf(failure)}`, failure);
}

/** The reason as a counter's label. */
export function emitReason(error: AuditWriteError): EmitFailureReason {
  return EMIT_FAILURE_REASONS.find((reason) => reason === error.reason) ?? "other";
}

/** `ENOENT` and its like; empty for anything that is not a system error. */
export function codeOf(failure: unknown): string {
  const code = failure instanceof Error ? (failure as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : "";
}

export function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}

export function asError(failure: unknown): Error {
  return failure instanceof Error ? failure : new Error(String(failure));
}
