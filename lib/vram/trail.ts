/** The records of GPU memory: what was sealed, checked, broken and freed, each tied to the call that it belongs to. */
import type { AuditEvent, AuditPolicy, EventCommon } from "../audit/events.ts";
import type { AuditLog } from "../audit/log.ts";
import { ModelLoadError } from "../errors.ts";
import { VRAM_CODES } from "./errors.ts";
import type { VramError } from "./errors.ts";
import { evidenceText } from "./evidence.ts";
import type { Evidence } from "./evidence.ts";
import { badTilesOf } from "./findings.ts";
import type { Finding, SealedFacts } from "./findings.ts";
import type { OffloadReport } from "./offload.ts";

/** Where records go, and what happens when they cannot be written. */
export interface Recorder {
  readonly audit: AuditLog | undefined;
  readonly onAuditFailure: "refuse" | "continue";
}

/** Which model it is about, who asked, and under which rules. */
export type Subject = Pick<EventCommon, "actor" | "correlationId" | "traceId" | "target"> & { readonly policy: AuditPolicy };

/** What a record says beside its subject. */
type Said = AuditEvent extends infer E ? (E extends AuditEvent ? Omit<E, keyof Subject> : never) : never;

/** Where a required detail has nothing to say. */
const SHARD_NONE = "none";
const DIGEST_UNKNOWN = "unknown";

/** The records of a seal that was made. */
export function sealedEvents(subject: Subject, seal: {
  readonly shardId: string; readonly deviceUuid: string; readonly bytes: number; readonly availableBytes: number; readonly digest: string;
}): AuditEvent[] {
  const { shardId, deviceUuid, bytes, availableBytes, digest } = seal;
  const of = { outcome: "allowed", action: "vram.seal" } as const;
  return [
    about(subject, { type: "VramAllocated", ...of, details: { requestedBytes: bytes, availableBytes, deviceUuid } }),
    about(subject, { type: "VramSealed", ...of, details: { shardId, deviceUuid, vramBytes: bytes, digest } }),
  ];
}

/** The record of a call that failed; nothing where the caller alone is to blame. */
export function failureEvent(subject: Subject, action: string, error: VramError, of: { readonly shardId?: string; readonly digest?: string; readonly bytes?: number } = {}): AuditEvent | undefined {
  const { event, severity } = VRAM_CODES[error.code];
  if (event === undefined) return undefined;
  const common = { outcome: severity === "CRITICAL" ? "denied" : "failed", action, reason: error.code, severity } as const;
  const { deviceUuid, message } = error;
  const { shardId = SHARD_NONE, digest = DIGEST_UNKNOWN, bytes = 0 } = of;
  switch (event) {
    case "VramAllocationFailed": {
      const details = { requestedBytes: error.requestedBytes ?? bytes, availableBytes: error.availableBytes, deviceUuid, part: error.part };
      return about(subject, { type: event, ...common, details });
    }
    case "SealVerificationFailed":
      return about(subject, { type: event, ...common, details: { shardId, expectedDigest: digest, part: error.part, ...(error.evidence === undefined ? {} : badTilesOf(error.evidence.content)) } });
    case "PolicyViolation":
      return about(subject, { type: event, ...common, details: { policy: error.policy ?? "vram", violation: message, action: "refused" } });
    case "IntegrityViolation":
      return about(subject, { type: event, ...common, details: { message, part: error.part } });
    case "ResidencyLost":
    case "DeviceLost":
      return about(subject, { type: event, ...common, details: { observed: message, deviceUuid, shardId: of.shardId } });
  }
}

/** The record of one broken promise that a check found. */
export function findingEvent(subject: Subject, action: string, { type, code, details }: Finding): AuditEvent {
  // The table of findings pairs types and details; the compiler cannot follow the pair through a union.
  return about(subject, { type, outcome: "failed", action, reason: code, details } as Said);
}

export function verifiedEvent(subject: Subject, action: string, shardId: string, evidence: Evidence): AuditEvent {
  const { level, verdict } = evidence;
  const reason = verdict === "resident" ? {} : { reason: verdict.toUpperCase() };
  return about(subject, { type: "SealVerified", outcome: "info", action, ...reason, details: { shardId, level, evidence: evidenceText(evidence) } });
}

export function scrubbedEvent(subject: Subject, { shardId, sizeBytes }: SealedFacts, evidence: Evidence): AuditEvent {
  const details = { coverage: `all ${sizeBytes} bytes of ${shardId}`, evidence: evidenceText(evidence), deviceUuid: evidence.deviceUuid };
  return about(subject, { type: "ScrubCompleted", outcome: "info", action: "vram.scrub", details });
}

/** The record of an accounting check. A shortfall is a fact; that numbers agree proves nothing of content, and the record says so. */
export function offloadEvent(subject: Omit<Subject, "policy">, { verdict, reasons, deviceBytes, expected }: OffloadReport): AuditEvent {
  const observed = `accounting: ${reasons.join("; ")}`;
  const of = { action: "vram.measureOffload", reason: `OFFLOAD_${verdict.replaceAll("-", "_").toUpperCase()}` } as const;
  if (verdict === "short" || verdict === "spilled") {
    const bytes = Math.max(0, expected.leastBytes - Math.max(0, deviceBytes ?? 0));
    return { ...subject, type: "ResidencyLost", outcome: "failed", ...of, details: { observed, bytes } };
  }
  return { ...subject, type: "ForeignVerified", outcome: "info", ...of, details: { coverage: "counters alone, no content", evidence: observed } };
}

/** The ends of a sealed model: its memory is free, and the gate's model is no more. */
export function freedEvents(subject: Subject, shardId: string, freedBytes: number, reason: string, failure?: VramError): AuditEvent[] {
  const of = failure === undefined ? { outcome: "info" } as const : { outcome: "failed", reason: failure.code } as const;
  return [
    about(subject, { type: "VramDeallocated", action: "vram.free", ...of, details: { shardId, freedBytes } }),
    about(subject, { type: "ModelUnloaded", action: "model.unload", outcome: "info", details: { reason } }),
  ];
}

/** Writes them in this order, and waits until all are on the disk. */
export async function record({ audit }: Recorder, events: readonly (AuditEvent | undefined)[]): Promise<void> {
  await Promise.all(events.flatMap((event) => (event === undefined || audit === undefined ? [] : [audit.emit(event)])));
}

/** Records what an error says before it is thrown. What goes wrong here is attached to it, and takes nothing from it. */
export async function recordError(recorder: Recorder, error: VramError, events: readonly (AuditEvent | undefined)[]): Promise<VramError> {
  try {
    await record(recorder, events);
  } catch (failure) {
    error.auditError = failure instanceof Error ? failure : new Error(String(failure));
  }
  return error;
}

/** Records a good outcome. @throws ModelLoadError AUDIT_UNAVAILABLE where what is not recorded must not be believed */
export async function recordOutcome(recorder: Recorder, events: readonly AuditEvent[]): Promise<void> {
  try {
    await record(recorder, events);
  } catch (failure) {
    if (recorder.onAuditFailure === "continue") return;
    const message = "the check went well, but could not be recorded, and an unrecorded one must not be relied on; mend the audit folder";
    const error = new ModelLoadError("AUDIT_UNAVAILABLE", { message, cause: failure });
    error.auditError = failure as Error;
    throw error;
  }
}

export function about(subject: Subject, event: Said): AuditEvent {
  return { ...subject, ...event };
}

