/** What goes wrong with GPU memory: a stable code, a sentence that helps, and what was seen. */
import type { Severity } from "../errors.ts";
import { evidenceOf } from "./evidence.ts";
import type { Evidence } from "./evidence.ts";
import type { ForeignReport } from "./foreign.ts";
import type { NativeVramFailure } from "./native.ts";

/** A stable code: it is never renamed. The README says what each means and what to do. */
export type VramErrorCode =
  | "VRAM_NO_DRIVER"
  | "VRAM_DRIVER_TOO_OLD"
  | "VRAM_NO_DEVICE"
  | "VRAM_POLICY_VIOLATION"
  | "VRAM_INSUFFICIENT_MEMORY"
  | "VRAM_ALLOCATION_FAILED"
  | "VRAM_SEAL_MISMATCH"
  | "VRAM_VERIFICATION_FAILED"
  | "VRAM_NOT_RESIDENT"
  | "VRAM_SELF_TEST_FAILED"
  | "VRAM_DEVICE_LOST"
  | "VRAM_DRIVER_FAILED"
  | "VRAM_HANDLE_STALE"
  | "VRAM_BAD_RANGE"
  | "VRAM_FILE_CHANGED"
  | "VRAM_RECORD_INVALID"
  | "VRAM_ABORTED"
  | "VRAM_INTERNAL";

/** The audit event that a failure is recorded as; nothing for one that is the caller's own doing. */
export type VramFailureEvent =
  | "VramAllocationFailed"
  | "SealVerificationFailed"
  | "PolicyViolation"
  | "ResidencyLost"
  | "DeviceLost"
  | "IntegrityViolation";

export interface VramCodeFacts {
  readonly event: VramFailureEvent | undefined;
  readonly severity: Severity;
  /** True where the same call can succeed later although nobody repairs anything. */
  readonly retriable: boolean;
}

const critical = (event: VramFailureEvent): VramCodeFacts => ({ event, severity: "CRITICAL", retriable: false });
const failed = (severity: "HIGH" | "INFO", retriable = false): VramCodeFacts => ({ event: "VramAllocationFailed", severity, retriable });
const own = (retriable = false): VramCodeFacts => ({ event: undefined, severity: "INFO", retriable });

/** Every code, with its event and severity. A lost device is never retriable, and a stale handle is no violation. */
export const VRAM_CODES: Readonly<Record<VramErrorCode, VramCodeFacts>> = {
  VRAM_NO_DRIVER: failed("INFO"),
  VRAM_DRIVER_TOO_OLD: failed("INFO"),
  VRAM_NO_DEVICE: failed("INFO"),
  VRAM_POLICY_VIOLATION: critical("PolicyViolation"),
  VRAM_INSUFFICIENT_MEMORY: failed("HIGH", true),
  VRAM_ALLOCATION_FAILED: failed("HIGH", true),
  VRAM_SEAL_MISMATCH: critical("SealVerificationFailed"),
  VRAM_VERIFICATION_FAILED: critical("SealVerificationFailed"),
  VRAM_NOT_RESIDENT: critical("ResidencyLost"),
  VRAM_SELF_TEST_FAILED: failed("HIGH"),
  VRAM_DEVICE_LOST: critical("DeviceLost"),
  VRAM_DRIVER_FAILED: failed("HIGH"),
  VRAM_HANDLE_STALE: own(),
  VRAM_BAD_RANGE: own(),
  VRAM_FILE_CHANGED: critical("IntegrityViolation"),
  VRAM_RECORD_INVALID: critical("SealVerificationFailed"),
  VRAM_ABORTED: own(true),
  VRAM_INTERNAL: failed("INFO"),
};

/** A driver call that failed, in the driver's own words. */
export interface DriverFault {
  /** Such as `cuMemCreate`. */
  readonly call: string;
  readonly status: number;
  /** Such as `CUDA_ERROR_OUT_OF_MEMORY`. */
  readonly name: string;
}

/** What a failure can say beside its code. */
export interface VramFailureFacts {
  readonly message: string;
  readonly deviceUuid?: string | undefined;
  readonly driver?: DriverFault | undefined;
  readonly requestedBytes?: number | undefined;
  readonly availableBytes?: number | undefined;
  readonly policy?: string | undefined;
  readonly part?: number | undefined;
  readonly evidence?: Evidence | undefined;
  readonly foreign?: ForeignReport | undefined;
  readonly cause?: unknown;
}

/** GPU memory could not be had, used or trusted. Thrown only after its record is on disk, or `auditError` says why it is not. */
export class VramError extends Error {
  override readonly name: string = "VramError";
  readonly code: VramErrorCode;
  readonly severity: Severity;
  readonly retriable: boolean;
  /** The device that the call was about. */
  readonly deviceUuid: string | undefined;
  readonly driver: DriverFault | undefined;
  /** Bytes that were asked for, and bytes that there were, where there was not enough. */
  readonly requestedBytes: number | undefined;
  readonly availableBytes: number | undefined;
  /** The policy's option that was broken. */
  readonly policy: string | undefined;
  /** Which part of a split model it is about, counted from 1; absent where it is about all of it, and for a model of one file. */
  readonly part: number | undefined;
  /** What was seen, level by level, where the failure is a matter of evidence. */
  readonly evidence: Evidence | undefined;
  /** The same for weights that another library loaded. */
  readonly foreign: ForeignReport | undefined;
  /** Set when the failure could not be recorded; it stands all the same. */
  auditError?: Error;

  constructor(code: VramErrorCode, facts: VramFailureFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.severity = VRAM_CODES[code].severity;
    this.retriable = VRAM_CODES[code].retriable;
    this.deviceUuid = facts.deviceUuid;
    this.driver = facts.driver;
    this.requestedBytes = facts.requestedBytes;
    this.availableBytes = facts.availableBytes;
    this.policy = facts.policy;
    this.part = facts.part;
    this.evidence = facts.evidence;
    this.foreign = facts.foreign;
  }
}

/** Narrows a code that came over the native boundary; an unknown one is a bug and is named as such. */
export function vramCode(code: string): VramErrorCode {
  return Object.hasOwn(VRAM_CODES, code) ? (code as VramErrorCode) : "VRAM_INTERNAL";
}

/** A failure that crossed the native boundary as data. An abort carries the caller's reason. */
export function vramError(failure: NativeVramFailure, abortReason?: unknown): VramError {
  const code = vramCode(failure.code);
  const evidence = failure.evidence === undefined ? undefined : evidenceOf(failure.evidence);
  return new VramError(code, { ...failure, evidence, ...(code === "VRAM_ABORTED" ? { cause: abortReason } : {}) });
}

/** A bug of ours becomes a failure with a code: what went wrong in an unknown way may not look like a verdict. */
export function internalVramError(bug: unknown): VramError {
  if (bug instanceof VramError) return bug;
  const message = bug instanceof Error ? bug.message : String(bug);
  return new VramError("VRAM_INTERNAL", { message: `model-loader failed inside: ${message}`, cause: bug });
}
