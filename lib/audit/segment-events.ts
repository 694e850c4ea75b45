/** What the trail records about its own segments. */
import { asWriteError, messageOf, TamperedError } from "./errors.ts";
import type { AuditEvent } from "./events.ts";
import type { Segment, Tail } from "./segment.ts";

export type RotationReason = "size" | "day";

export function rotated(full: Segment, why: RotationReason): AuditEvent {
  const details = { segment: full.name, bytes: full.whole, why };
  return { type: "AuditRotated", outcome: "info", action: "audit.rotate", details };
}

export function diskFull(failure: unknown): AuditEvent {
  return { type: "AuditDiskFull", outcome: "failed", action: "audit.write", reason: "enospc", details: { message: messageOf(failure) } };
}

export function spaceRestored(): AuditEvent {
  return { type: "AuditSpaceRestored", outcome: "info", action: "audit.write" };
}

export function abandoned(segment: Segment, failure: unknown): AuditEvent {
  const error = asWriteError(failure, "audit segment");
  const reason = failure instanceof TamperedError ? failure.tampering : error.reason;
  const details = { segment: segment.name, ...tailOf(segment), message: messageOf(failure) };
  const severity = failure instanceof TamperedError ? "CRITICAL" : "HIGH";
  return { type: "AuditSegmentAbandoned", severity, outcome: "failed", action: "audit.write", reason, details };
}

/** A disk that fails may not let us read either; verification then reports bytes that nobody described. */
function tailOf(segment: Segment): Partial<Tail> {
  try {
    return segment.tail();
  } catch {
    return {};
  }
}
