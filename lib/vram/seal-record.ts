/** The seal record: what was sealed, where, when and under which policy; and its check, wherever it has been meanwhile. */
import type { AuditLog } from "../audit/log.ts";
import { bagOf } from "../option-bag.ts";
import { auditOf } from "../options.ts";
import type { SealsOptions } from "../options.ts";
import { native } from "../native.ts";
import { givenKey, keyInFile, SEAL_KEY } from "../secret-key.ts";
import { vramError } from "./errors.ts";
import type { VramError } from "./errors.ts";
import type { NativeSealRecord } from "./native.ts";
import { recordError } from "./trail.ts";

/** Digests and keys in lower-case hex. Kept as JSON it is the same record: `JSON.parse(JSON.stringify(record))` can be checked. */
export interface SealRecord extends Omit<NativeSealRecord, "sealedAtUnixMs"> {
  readonly sealedAt: Date;
}

/** The secret that the sealing loader was opened with (`seals`): `key`, or `keyFile`, which must be there. Without one: this process's own key. */
export interface CheckSealRecordOptions extends SealsOptions {
  /** The trail that a record that is none is written to before it is thrown. */
  readonly audit?: AuditLog | "disabled" | undefined;
}

type Texts = { [K in keyof NativeSealRecord as NativeSealRecord[K] extends string ? K : never]: string };

const TEXTS = ["shardId", "backend", "deviceUuid", "driver", "kernel", "root", "sha256", "access", "policy", "mac"] as const satisfies readonly (keyof Texts)[];
const TEXTS_OPTIONAL = ["pci", "bootId"] as const;
const NUMBERS = ["version", "part", "parts"] as const;
const OPTION_NAMES = new Set(["key", "keyFile", "audit"]);
const SHARD_UNKNOWN = "unknown";

/**
 * Whether the record is what somebody who has the secret sealed, in whatever process and whenever: that it was not changed. It says
 * nothing of what lies on the device now.
 * @param record as a shard has it, or parsed from its JSON
 * @returns the record as its MAC covers it
 * @throws VramError VRAM_RECORD_INVALID, recorded first where there is a trail; TypeError for options; Error SEAL_KEY for a bad key file
 */
export async function checkSealRecord(record: unknown, options?: CheckSealRecordOptions): Promise<SealRecord> {
  const { key, keyFile, ...rest } = bagOf(options ?? {}, "options", OPTION_NAMES);
  const audit = auditOf(rest["audit"]);
  const secret = key === undefined && keyFile === undefined ? undefined : secretOf(key, keyFile);
  const parsed = parsedRecord(record);
  const { record: checked, failure } = typeof parsed === "string" ? malformed(parsed) : native.vramCheckRecord(parsed, secret);
  if (checked !== undefined) return sealRecordOf(checked);
  const error = vramError(failure ?? { code: "VRAM_INTERNAL", message: "a record was neither believed nor refused" });
  throw await recorded(error, audit, typeof parsed === "string" ? undefined : parsed);
}

export function sealRecordOf({ sealedAtUnixMs, ...record }: NativeSealRecord): SealRecord {
  return { ...record, sealedAt: new Date(sealedAtUnixMs) };
}

function secretOf(key: unknown, keyFile: unknown): Uint8Array {
  const given = givenKey(key, keyFile, SEAL_KEY);
  return given instanceof Uint8Array ? given : keyInFile(given.file, SEAL_KEY);
}

function malformed(field: string): { readonly record?: undefined; readonly failure: { readonly code: string; readonly message: string } } {
  return { failure: { code: "VRAM_RECORD_INVALID", message: `this is no seal record: its ${field} is none that was ever written` } };
}

/** The record, or the field that is wrong. What it says is for the MAC to judge. */
function parsedRecord(given: unknown): NativeSealRecord | string {
  if (typeof given !== "object" || given === null) return "form";
  const bag = given as Readonly<Record<string, unknown>>;
  const wrong = TEXTS.find((name) => typeof bag[name] !== "string") ?? TEXTS_OPTIONAL.find((name) => !["string", "undefined"].includes(typeof bag[name]));
  if (wrong !== undefined) return wrong;
  const odd = NUMBERS.find((name) => !isWhole(bag[name]));
  if (odd !== undefined) return odd;
  const sealedAtUnixMs = timeOf(bag["sealedAt"]);
  if (!Number.isSafeInteger(sealedAtUnixMs) || sealedAtUnixMs < 0) return "sealedAt";
  const ranges = rangesOf(bag["ranges"]);
  if (ranges === undefined) return "ranges";
  const known = Object.fromEntries([...TEXTS, ...TEXTS_OPTIONAL, ...NUMBERS].flatMap((name) => (bag[name] === undefined ? [] : [[name, bag[name]]])));
  return { ...(known as unknown as NativeSealRecord), sealedAtUnixMs, ranges };
}

function isWhole(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

/** NaN where it is no time. */
function timeOf(given: unknown): number {
  if (given instanceof Date) return given.getTime();
  return typeof given === "string" ? Date.parse(given) : NaN;
}

function rangesOf(given: unknown): NativeSealRecord["ranges"] | undefined {
  if (!Array.isArray(given)) return undefined;
  const ranges = given.map((one: unknown) => rangeOf(one));
  return ranges.includes(undefined) ? undefined : (ranges as NativeSealRecord["ranges"]);
}

function rangeOf(given: unknown): NativeSealRecord["ranges"][number] | undefined {
  if (typeof given !== "object" || given === null) return undefined;
  const { allocationId, offset, bytes } = given as Readonly<Record<string, unknown>>;
  if (typeof offset !== "number" || typeof bytes !== "number" || !Number.isSafeInteger(offset) || !Number.isSafeInteger(bytes)) return undefined;
  if (allocationId === undefined) return { offset, bytes };
  return typeof allocationId === "string" ? { allocationId, offset, bytes } : undefined;
}

async function recorded(error: VramError, audit: AuditLog | undefined, record: NativeSealRecord | undefined): Promise<VramError> {
  if (error.code !== "VRAM_RECORD_INVALID") return error;
  const { shardId = SHARD_UNKNOWN, root = SHARD_UNKNOWN } = record ?? {};
  return recordError({ audit, onAuditFailure: "refuse" }, error, [{
    type: "SealVerificationFailed", outcome: "denied", action: "vram.checkRecord", reason: error.code, details: { shardId, expectedDigest: root },
  }]);
}
