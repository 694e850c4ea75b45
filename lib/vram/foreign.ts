/**
 * Weights that another library loaded into GPU memory of this process: hashed where they lie and held against the verified file.
 * It proves what those ranges hold now and where they lie; not that the engine computes with them.
 */
import type { AuditEvent } from "../audit/events.ts";
import { escapeText } from "../audit/escape.ts";
import type { GgufView } from "../gguf-view.ts";
import { kindOf } from "../option-bag.ts";
import { native } from "../native.ts";
import type { NativeModel } from "../native.ts";
import { deviceFor } from "./device.ts";
import { internalVramError, VramError, vramError } from "./errors.ts";
import type { VramMetrics } from "./metrics.ts";
import type { NativeForeign, NativeRange, NativeRangeSeen } from "./native.ts";
import type { ParsedPlace } from "./options.ts";
import { about, failureEvent, recordError, recordOutcome } from "./trail.ts";
import type { Recorder, Subject } from "./trail.ts";

/** A tensor's bytes as the engine holds them: `pointer` is the device address of the first, `bytes` the tensor's own number. */
export type ForeignRange = NativeRange;
/** One range, and what was found there. `part`: which file of the model its tensor is in, counted from 1. */
export type ForeignFinding = NativeRangeSeen;

type Seen = NonNullable<NativeForeign["seen"]>;

/** What all ranges showed, of whichever part. `verdict` is the worst of theirs; what time shows is shown of all of them together. */
export interface ForeignReport extends Omit<Seen, "atUnixMs" | "ranges"> {
  readonly at: Date;
  /** In the order that was asked for. */
  readonly ranges: readonly ForeignFinding[];
  /** Tensors of the model that no range names: nothing is known of them. */
  readonly tensorsUnchecked: readonly string[];
}

export interface ForeignAsk {
  /** One a file of the model. */
  readonly models: readonly NativeModel[];
  readonly gguf: GgufView;
  readonly ranges: readonly ForeignRange[];
  readonly place: ParsedPlace;
  readonly signal: AbortSignal | undefined;
  readonly subject: Subject;
  readonly recorder: Recorder;
  readonly metrics: VramMetrics;
}

const ACTION = "vram.verifyRanges";
const RANGES_MAX = 100_000;
const NAMED_MAX = 8;

/** @throws TypeError that names the range */
export function parseRanges(given: unknown): ForeignRange[] {
  if (!Array.isArray(given)) throw new TypeError(`ranges must be an array, not ${kindOf(given)}`);
  if (given.length === 0 || given.length > RANGES_MAX) throw new TypeError(`ranges must hold 1 to ${RANGES_MAX} ranges, not ${given.length}`);
  return given.map((range: unknown, index) => rangeOf(range, `ranges[${index}]`));
}

function rangeOf(given: unknown, name: string): ForeignRange {
  if (typeof given !== "object" || given === null) throw new TypeError(`${name} must be an object, not ${kindOf(given)}`);
  const { pointer, bytes, tensor } = given as Readonly<Record<string, unknown>>;
  if (typeof pointer !== "bigint" || pointer <= 0n || pointer >= 2n ** 64n) throw new TypeError(`${name}.pointer must be a bigint: a device address of 64 bits`);
  if (typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes <= 0) throw new TypeError(`${name}.bytes must be a whole number of bytes, more than 0`);
  if (typeof tensor !== "string" || tensor === "") throw new TypeError(`${name}.tensor must be the name of a tensor`);
  return { pointer, bytes, tensor };
}

/** @throws VramError, recorded where it is no mistake of the caller's */
export async function foreignCheck(ask: ForeignAsk): Promise<ForeignReport> {
  const { metrics, subject, recorder } = ask;
  const report = await looked(ask).catch(async (failure: unknown) => {
    const error = internalVramError(failure);
    metrics.failed(error);
    throw await recordError(recorder, error, [failureEvent(subject, ACTION, error)]);
  });
  const bad = report.ranges.filter(({ verdict }) => verdict === "not-resident");
  if (bad.length > 0) throw await broken(ask, report, bad);
  await recordOutcome(recorder, [verifiedEvent(subject, report)]);
  return report;
}

async function looked({ models, gguf, ranges, place, signal }: ForeignAsk): Promise<ForeignReport> {
  const device = await deviceFor(place);
  const control = native.newControl();
  const stop = (): void => { control.cancel(); };
  signal?.addEventListener("abort", stop, { once: true });
  try {
    if (signal?.aborted === true) throw new VramError("VRAM_ABORTED", { message: "the check was aborted before it began", cause: signal.reason });
    const spot = { backend: device.backend, deviceUuid: device.uuid, policy: place.policy.native };
    const { failure, seen } = await native.vramVerifyRanges(models, ranges, spot, control);
    if (failure !== undefined) throw vramError(failure, signal?.reason);
    if (seen === undefined) throw new Error("ranges were neither seen nor refused");
    const { atUnixMs, ...rest } = seen;
    return { ...rest, at: new Date(atUnixMs), tensorsUnchecked: unchecked(gguf, ranges) };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function unchecked(gguf: GgufView, ranges: readonly ForeignRange[]): string[] {
  const named = new Set(ranges.map(({ tensor }) => tensor));
  return [...gguf.tensors].map(({ name }) => name).filter((name) => !named.has(name));
}

/** Other bytes than the tensor's are a broken promise of their content; right bytes elsewhere are one of their place. */
async function broken({ models, subject, recorder, metrics }: ForeignAsk, report: ForeignReport, bad: readonly ForeignFinding[]): Promise<VramError> {
  const wrong = bad.filter(({ expected, actual }) => expected !== actual);
  const [first] = [...wrong, ...bad];
  const isSet = models.length > 1;
  const named = ({ tensor, part }: ForeignFinding): string => `${escapeText(tensor)}${isSet ? ` (part ${part})` : ""}`;
  const names = (wrong.length > 0 ? wrong : bad).slice(0, NAMED_MAX).map(named).join(", ");
  const part = isSet ? first?.part : undefined;
  const message = wrong.length > 0
    ? `${wrong.length} of ${report.ranges.length} ranges in GPU memory do not hold the verified tensor: ${names}`
    : `${bad.length} of ${report.ranges.length} ranges do not lie in the device's memory (${first?.reasons.join("; ") ?? ""}): ${names}`;
  const { deviceUuid } = report;
  const error = new VramError(wrong.length > 0 ? "VRAM_VERIFICATION_FAILED" : "VRAM_NOT_RESIDENT", { message, deviceUuid, part, foreign: report });
  const of = { outcome: "denied", action: ACTION, reason: error.code } as const;
  const event: AuditEvent = wrong.length > 0
    ? about(subject, { type: "IntegrityViolation", ...of, details: { message, field: first?.tensor, expected: first?.expected, actual: first?.actual, part } })
    : about(subject, { type: "ResidencyLost", ...of, details: { observed: message, deviceUuid, bytes: bad.reduce((sum, { bytes }) => sum + bytes, 0) } });
  metrics.violated(wrong.length > 0 ? "IntegrityViolation" : "ResidencyLost");
  return recordError(recorder, error, [event]);
}

function verifiedEvent(subject: Subject, { ranges, bytesChecked, deviceUuid, verdict, wallSeconds, kernel, tensorsUnchecked }: ForeignReport): AuditEvent {
  const coverage = `${ranges.length} tensors, ${bytesChecked} bytes; ${tensorsUnchecked.length} tensors not named`;
  const evidence = `${verdict}; ${(wallSeconds * 1000).toPrecision(3)} ms; kernel ${kernel.name} ${kernel.blake3.slice(0, 16)}`;
  return about(subject, { type: "ForeignVerified", outcome: "info", action: ACTION, details: { coverage, evidence, deviceUuid } });
}
