/** Writes decisions to the trail: a refusal before it is thrown, an acceptance before the model is handed over. */
import type { AuditEvent, AuditEventOf, DetailsOf } from "./audit/events.ts";
import type { AuditLog } from "./audit/log.ts";
import type { Call } from "./call.ts";
import { ModelLoadError, REFUSAL_CODES } from "./errors.ts";
import type { GgufView } from "./gguf-view.ts";
import { policyOf } from "./policy.ts";
import { native } from "./native.ts";
import type { NativeFacts, NativeVerdict } from "./native.ts";
import { guardDetails, protectionDetails } from "./guard.ts";
import { proofDetails, recordDetails } from "./proof.ts";
import { setDetails } from "./set.ts";
import type { WholeVerdict } from "./set.ts";

/** Where decisions are written, and what happens when they cannot be. */
export interface Judge {
  /** The folder that paths are relative to: without it a record does not say which file it was. */
  readonly rootPath: string;
  readonly audit: AuditLog | undefined;
  readonly onAuditFailure: "refuse" | "continue";
}

/** Records a refusal. It stays a refusal: what goes wrong here is attached to it, never thrown in its place. */
export async function recordRefusal(judge: Judge, call: Call, error: ModelLoadError, verdict: WholeVerdict): Promise<void> {
  try {
    await emitAll(judge, [...ignoredEvents(judge, call, verdict), refusalEvent(judge, call, error, verdict)]);
  } catch (failure) {
    error.auditError = asError(failure);
  }
}

/** Records that bytes of a verified model were refused. What goes wrong here is attached to the refusal. */
export async function recordReading(judge: Judge, call: Call, error: ModelLoadError, verdict: NativeVerdict, part?: number): Promise<void> {
  try {
    await judge.audit?.emit(readingEvent(call, error, verdict, part));
  } catch (failure) {
    error.auditError = asError(failure);
  }
}

/**
 * Records an accepted model, or one that was protected.
 * @returns the failure that the policy lets pass, if any
 * @throws ModelLoadError AUDIT_UNAVAILABLE where an unrecorded load must not happen
 */
export async function recordAcceptance(judge: Judge, call: Call, verdict: WholeVerdict, gguf: GgufView): Promise<Error | undefined> {
  try {
    await emitAll(judge, [...ignoredEvents(judge, call, verdict), acceptanceEvent(judge, call, verdict, gguf)]);
    return undefined;
  } catch (failure) {
    if (judge.onAuditFailure === "continue") return asError(failure);
    throw auditUnavailable(call, asError(failure));
  }
}

/** A host that goes on without records says so while it still can. What cannot be recorded here stops it no more than later on. */
export async function recordFailOpen({ audit, onAuditFailure, rootPath }: Judge): Promise<void> {
  if (audit === undefined || onAuditFailure === "refuse") return;
  const event: AuditEvent = { type: "AuditConfigured", outcome: "allowed", action: "loader.open", reason: "FAIL_OPEN", details: { onAuditFailure, root: rootPath } };
  // The log has counted and told a failure already.
  await audit.emit(event).catch(() => undefined);
}

/** The unloading's record, less how it came about. */
export function unloadedEvent(call: Call, verdict: NativeVerdict): Omit<AuditEventOf<"ModelUnloaded">, "details"> {
  return { ...ofAModelInUse(call, verdict), type: "ModelUnloaded", action: "model.unload" };
}

/** The record of a guard that broke while the model was in use. */
export function guardBrokenEvent(call: Call, verdict: NativeVerdict): AuditEventOf<"GuardBroken"> {
  const details = { guard: "pinned", minGuard: call.options.judge.minGuard };
  return { ...ofAModelInUse(call, verdict), type: "GuardBroken", action: "model.guard", details };
}

/** What was asked for when it was loaded, and which model it is. */
function ofAModelInUse(call: Call, verdict: NativeVerdict): Pick<AuditEvent, "outcome" | "target"> & ReturnType<typeof envelope> {
  return { ...envelope(call), outcome: "info", target: target(call, verdict.facts, verdict.sha256) };
}

/** Who asked for the model, and which it is, for what is recorded of it later. */
export function subjectOf(call: Call, verdict: Pick<NativeVerdict, "facts" | "sha256">): Pick<AuditEvent, "actor" | "correlationId" | "traceId" | "target"> {
  const { actor, correlationId, traceId } = envelope(call);
  return {
    ...(actor === undefined ? {} : { actor }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(traceId === undefined ? {} : { traceId }),
    target: target(call, verdict.facts, verdict.sha256),
  };
}

/** In this order, and on the disk at once. */
async function emitAll({ audit }: Judge, events: readonly AuditEvent[]): Promise<void> {
  if (audit === undefined) return;
  await Promise.all(events.map((event) => audit.emit(event)));
}

/** What was not believed may have been forged: it is an event of its own, whatever became of the load. */
function ignoredEvents(judge: Judge, call: Call, verdict: WholeVerdict): AuditEventOf<"VerificationRecordIgnored">[] {
  const { parts } = verdict;
  if (parts === undefined) return ignoredEvent(judge, call, verdict, verdict.refusal?.part);
  return parts.flatMap((part, index) => ignoredEvent(judge, call, part, index + 1));
}

function ignoredEvent(judge: Judge, call: Call, verdict: NativeVerdict, part: number | undefined): AuditEventOf<"VerificationRecordIgnored">[] {
  const { refusal, facts, records } = verdict;
  const { ignoredReason, ignoredMessage = "" } = records ?? {};
  if (ignoredReason === undefined) return [];
  return [{
    ...envelope(call),
    type: "VerificationRecordIgnored",
    // The one thing that becomes of authentic records by themselves.
    ...(ignoredReason === "stale" ? { severity: "INFO" } : {}),
    outcome: "info",
    reason: `RECORD_${ignoredReason.replaceAll("-", "_").toUpperCase()}`,
    target: target(call, facts ?? refusal?.facts, undefined, part),
    details: { message: ignoredMessage, root: judge.rootPath },
  }];
}

function auditUnavailable(call: Call, failure: Error): ModelLoadError {
  const what = call.action === "protect"
    ? "the model is good and its file is protected now, but that could not be recorded; "
    : "the model is good, but its load could not be recorded, and an unrecorded load must not happen; ";
  const message = `${what}mend the audit folder, or open the loader with onAuditFailure: "continue"`;
  const error = new ModelLoadError("AUDIT_UNAVAILABLE", { message, cause: failure });
  error.auditError = failure;
  return error;
}

function readingEvent(call: Call, error: ModelLoadError, verdict: NativeVerdict, part: number | undefined): AuditEvent {
  const { event, severity } = REFUSAL_CODES[error.code];
  const { message, offset } = error;
  return {
    ...envelope(call),
    type: event,
    severity,
    action: "model.read",
    outcome: severity === "INFO" ? "failed" : "denied",
    reason: error.code,
    target: target(call, verdict.facts, verdict.sha256, part),
    details: { message, offset, part },
  };
}

function refusalEvent(judge: Judge, call: Call, error: ModelLoadError, { refusal, records }: NativeVerdict): AuditEvent {
  const { event, severity } = REFUSAL_CODES[error.code];
  const { message, offset, field, expected, actual, part } = error;
  return {
    ...envelope(call),
    type: event,
    severity,
    outcome: severity === "INFO" ? "failed" : "denied",
    reason: error.code,
    target: target(call, refusal?.facts, error.sha256, part),
    details: { message, offset, field, expected, actual, part, ...recordDetails(records), ...circumstances(judge, call) },
  };
}

export function acceptanceEvent(judge: Judge, call: Call, verdict: WholeVerdict, gguf: GgufView): AuditEvent {
  return {
    ...envelope(call),
    outcome: "allowed",
    target: {
      ...target(call, verdict.facts, verdict.sha256),
      ggufVersion: gguf.version,
      ...(gguf.architecture === undefined ? {} : { architecture: gguf.architecture }),
    },
    ...typeAndDetails(call, verdict, { findings: gguf.findingCount, ...proofDetails(verdict), ...circumstances(judge, call), ...setDetails(verdict) }),
  };
}

type Acceptance = Pick<AuditEventOf<"ModelLoaded">, "type" | "details"> | Pick<AuditEventOf<"ModelProtected">, "type" | "details">;

function typeAndDetails(call: Call, verdict: NativeVerdict, details: DetailsOf<"ModelLoaded">): Acceptance {
  if (call.action === "protect") return { type: "ModelProtected", details: { ...details, ...protectionDetails(verdict) } };
  return { type: "ModelLoaded", details: { ...details, ...guardDetails(verdict) } };
}

/** The policy that the decision was made under, without which a record does not say what was promised, and the time it took. */
function circumstances(judge: Judge, call: Call): DetailsOf<"ModelLoaded"> {
  const { policy, requireDigest, maxBytes, minGuard, flatAlways } = call.options.judge;
  const { source } = call.promised;
  return {
    root: judge.rootPath,
    strict: policy.strict,
    engineSafety: policy.engineSafety,
    requireDigest,
    digestFrom: source?.name,
    digestFile: source?.file,
    maxBytes,
    minGuard,
    flatDigest: flatAlways ? "always" : undefined,
    durationMs: Math.round(call.seconds * 1e6) / 1e3,
    dataSubject: false,
  };
}

function envelope(call: Call): Pick<AuditEvent, "action" | "actor" | "correlationId" | "traceId" | "policy"> {
  const { actor, correlationId, traceId } = call.options;
  return {
    action: `model.${call.action}`,
    policy: policyOf(call.options.judge),
    ...(actor === undefined ? {} : { actor }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(traceId === undefined ? {} : { traceId }),
  };
}

/** The file, the model, or the part of it that `part` counts from 1: its path is then the part's own. */
function target(call: Call, facts: NativeFacts | undefined, sha256: string | undefined, part?: number): NonNullable<AuditEvent["target"]> {
  const { sha256: whole, parts, from } = call.promised;
  const expected = part === undefined ? whole : parts[part - 1];
  const path = part === undefined || call.path === undefined ? call.path : (native.splitPart(call.path, part - 1) ?? call.path);
  return {
    ...(path === undefined ? {} : { path }),
    ...(facts === undefined ? {} : { sizeBytes: facts.sizeBytes }),
    ...(facts?.dev === undefined || facts.ino === undefined ? {} : { dev: facts.dev, ino: facts.ino }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(expected === undefined || expected === "" ? {} : { expectedSha256: expected, expectedFrom: from ?? "caller" }),
  };
}

function asError(failure: unknown): Error {
  return failure instanceof Error ? failure : new Error(String(failure));
}
