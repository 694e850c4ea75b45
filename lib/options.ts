/** Options from outside, parsed once: what leaves this file is typed, bounded and complete. */
import type { KeyObject } from "node:crypto";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Registry } from "prom-client";
import type { AuditLog } from "./audit/log.ts";
import { DIGEST_SOURCES, FILE_BESIDE } from "./digest-source/source.ts";
import type { DigestSource, DigestSourceName } from "./digest-source/source.ts";
import { GUARDS } from "./guard.ts";
import type { GuardName } from "./guard.ts";
import type { NativeLimits, NativePolicy } from "./native.ts";
import { bagOf, kindOf } from "./option-bag.ts";
import type { Bag } from "./option-bag.ts";
import { recordKey } from "./records.ts";
import type { ParsedRecords, RecordsOptions } from "./records.ts";
import { givenKey, SEAL_KEY } from "./secret-key.ts";
import type { GivenKey } from "./secret-key.ts";

/** Parser limits; absent ones keep their default (README, "Limits"). Counts and bytes are whole numbers. */
export interface GgufLimits {
  readonly headerBytes?: number | undefined;
  readonly metadataPairs?: number | undefined;
  readonly tensors?: number | undefined;
  readonly arrayElements?: number | undefined;
  readonly stringBytes?: number | undefined;
  readonly chatTemplateBytes?: number | undefined;
  readonly keyBytes?: number | undefined;
  readonly alignment?: number | undefined;
  readonly indexBytes?: number | undefined;
}

/** Where diagnostics go; pino's and console's loggers fit. */
export interface Logger {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** What one judgement can be asked for; given to the loader it is the default of every call. */
export interface JudgeOptions {
  /** Refuse what breaks the format's text but not the engines (README, "Findings"). Default false. */
  readonly strict?: boolean | undefined;
  /** Refuse well-formed files that are known to abort or corrupt the engine. Default true. */
  readonly engineSafety?: boolean | undefined;
  /** Refuse when no expected digest is given. Default false. */
  readonly requireDigest?: boolean | undefined;
  /** Refuse larger files before reading them. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /**
   * The best guard to try (README, "Guards"). Default "auto": fs-verity where it is on, else a lease, else "pinned".
   * "sealed" copies the model into memory; "pinned" takes no lease.
   */
  readonly guard?: "auto" | GuardName | undefined;
  /** Refuse with GUARD_UNAVAILABLE where a lesser guard is all there is. Default "pinned". */
  readonly minGuard?: GuardName | undefined;
  /**
   * Where the promise of the digest comes from, beside or instead of `sha256` (README, "Where the digest comes from"): by default
   * "sha256sums" reads SHA256SUMS beside the model, and "manifest" reads model-digests.json.
   */
  readonly digestFrom?: DigestFrom | undefined;
  /** With "always" the SHA-256 is computed at each load, whatever was recorded. Default "unless-recorded". */
  readonly flatDigest?: "always" | "unless-recorded" | undefined;
}

export interface LoaderOptions extends JudgeOptions {
  /** The folder that every model must lie in. */
  readonly root: string | Uint8Array | URL;
  /** The trail that every decision is written to before the caller sees it; "disabled" says that none is wanted. */
  readonly audit?: AuditLog | "disabled" | undefined;
  /** A prom-client Registry; it carries the audit counters too. */
  readonly registry?: Registry | undefined;
  /** What to do with a good model whose load cannot be recorded. Default "refuse". */
  readonly onAuditFailure?: "refuse" | "continue" | undefined;
  /** Files read at once; further loads wait in line. Default 4. */
  readonly concurrency?: number | undefined;
  readonly limits?: GgufLimits | undefined;
  /** Where full verifications are recorded, so that later loads of the same digest are faster. Default: nowhere. */
  readonly records?: RecordsOptions | undefined;
  /** The secret that seals in GPU memory bear the MAC of (`loader.seal`). Default: a random key that ends with the process. */
  readonly seals?: SealsOptions | undefined;
  /** Threads of one load that is proven by a record, or of a split model, 1 to 32. Default: as many as the process may run at once. */
  readonly threads?: number | undefined;
}

/** One of the two. Whoever has the secret can make seal records that are believed. */
export interface SealsOptions {
  /** At least 32 secret bytes. */
  readonly key?: KeyObject | Uint8Array | undefined;
  /** A file of exactly 32, open to its owner alone; made where it is missing. */
  readonly keyFile?: string | undefined;
}

/** Who asks, on whose behalf, and how to stop or watch it. */
export interface CallOptions extends JudgeOptions {
  /**
   * Expected SHA-256 of the whole file: 64 hex digits; or digests by file name, of which the model's must be one. For a split model
   * one digest alone is that of the set (README, "Split models"), and names are those of its parts.
   */
  readonly sha256?: string | Readonly<Record<string, string>> | undefined;
  /** Who asked; recorded. */
  readonly actor?: string | undefined;
  /** Ties the record to a request; recorded. */
  readonly correlationId?: string | undefined;
  /** Trace id; recorded. */
  readonly traceId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called at most 20 times a second, and once at the end. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A source of digests, or the file beneath the root that is to be read as one. */
export type DigestFrom = DigestSourceName | { readonly sha256sums: ModelPath } | { readonly manifest: ModelPath };

export interface Progress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export type ModelPath = string | Uint8Array | URL;

export interface ParsedLoader {
  readonly root: Uint8Array;
  /** The root as an absolute path for records; worked out at opening, for the current folder may change. */
  readonly rootPath: string;
  readonly audit: AuditLog | undefined;
  readonly auditChosen: boolean;
  readonly registry: Registry | undefined;
  readonly onAuditFailure: "refuse" | "continue";
  readonly concurrency: number;
  readonly records: ParsedRecords | undefined;
  readonly seals: GivenKey | undefined;
  readonly threads: number | undefined;
  readonly judge: ParsedJudge;
}

export interface ParsedJudge {
  readonly policy: NativePolicy;
  readonly requireDigest: boolean;
  readonly maxBytes: number | undefined;
  readonly guard: "auto" | GuardName;
  readonly minGuard: GuardName;
  readonly flatAlways: boolean;
  readonly digestFrom: DigestSource | undefined;
}

export interface ParsedCall {
  readonly judge: ParsedJudge;
  /** A digest, or digests by file name. */
  readonly sha256: string | ReadonlyMap<string, string> | undefined;
  readonly actor: string | undefined;
  readonly correlationId: string | undefined;
  readonly traceId: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

const CONCURRENCY_DEFAULT = 4;
const CONCURRENCY_MAX = 64;
const THREADS_MAX = 32;

const JUDGE_NAMES = [
  "strict", "engineSafety", "requireDigest", "maxBytes", "guard", "minGuard", "flatDigest", "digestFrom",
] as const satisfies readonly (keyof JudgeOptions)[];
const LOADER_NAMES = new Set<string>([
  "root", "audit", "registry", "onAuditFailure", "concurrency", "limits", "records", "seals", "threads", ...JUDGE_NAMES,
]);
const RECORD_NAMES = new Set(["folder", "key", "keyFile", "maxAgeSeconds", "identity"]);
const SEALS_NAMES = new Set(["key", "keyFile"]);
export const CALL_NAMES: ReadonlySet<string> = new Set<string>([
  "sha256", "actor", "correlationId", "traceId", "signal", "onProgress", ...JUDGE_NAMES,
]);
const LIMIT_NAMES = [
  "headerBytes", "metadataPairs", "tensors", "arrayElements", "stringBytes", "chatTemplateBytes", "keyBytes", "alignment", "indexBytes",
] as const satisfies readonly (keyof GgufLimits)[];

/** @throws TypeError that names the option; nothing was opened. */
export function parseLoaderOptions(given: LoaderOptions): ParsedLoader {
  const bag = bagOf(given, "ModelLoader.open", LOADER_NAMES);
  const judge = { policy: { strict: false, engineSafety: true, limits: limitsOf(bag["limits"]) }, requireDigest: false, maxBytes: undefined, guard: "auto", minGuard: "pinned", flatAlways: false, digestFrom: undefined } as const;
  const root = folderBytes(bag["root"]);
  return {
    root,
    rootPath: resolve(Buffer.from(root).toString("utf8")),
    audit: auditOf(bag["audit"]),
    auditChosen: bag["audit"] !== undefined,
    registry: registryOf(bag["registry"]),
    onAuditFailure: oneOf(bag["onAuditFailure"] ?? "refuse", "onAuditFailure", ["refuse", "continue"]),
    concurrency: whole(bag["concurrency"] ?? CONCURRENCY_DEFAULT, "concurrency", 1, CONCURRENCY_MAX),
    records: recordsOf(bag["records"]),
    seals: bag["seals"] === undefined ? undefined : sealsOf(bag["seals"]),
    threads: bag["threads"] === undefined ? undefined : whole(bag["threads"], "threads", 1, THREADS_MAX),
    judge: judgeOf(bag, judge),
  };
}

/** @throws TypeError that names the option; nothing was opened. */
export function parseCallOptions(given: CallOptions | undefined, defaults: ParsedJudge): ParsedCall {
  const bag = bagOf(given ?? {}, "options", CALL_NAMES);
  return {
    judge: judgeOf(bag, defaults),
    sha256: digestsOf(bag["sha256"]),
    actor: optional(bag["actor"], "actor", "string"),
    correlationId: optional(bag["correlationId"], "correlationId", "string"),
    traceId: optional(bag["traceId"], "traceId", "string"),
    signal: signalOf(bag["signal"]),
    onProgress: optional(bag["onProgress"], "onProgress", "function"),
  };
}

/**
 * The path's bytes, exactly as they go to the kernel.
 * @throws TypeError when it is no path at all.
 */
export function pathBytes(path: unknown): Uint8Array {
  if (typeof path === "string") return stringBytes(path);
  // A copy: the caller may write to its buffer while the load is waiting.
  if (path instanceof Uint8Array) return Uint8Array.from(path);
  if (path instanceof URL) return Buffer.from(fileURLToPath(path), "utf8");
  throw new TypeError(`path must be a string, a Buffer or a file: URL, not ${kindOf(path)}`);
}

/**
 * UTF-8, with lone surrogates as their own three bytes (WTF-8). No file system name holds those, so such a path is
 * refused and recorded as it was given, and can neither open the name with U+FFFD in it nor slip past the record.
 */
function stringBytes(path: string): Uint8Array {
  if (path.isWellFormed()) return Buffer.from(path, "utf8");
  return Buffer.concat(path.split(/(\p{Surrogate})/u).map((part) => loneSurrogate(part) ?? Buffer.from(part, "utf8")));
}

function loneSurrogate(part: string): Buffer | undefined {
  const unit = part.codePointAt(0) ?? 0;
  if (part.length !== 1 || unit < 0xd800 || unit > 0xdfff) return undefined;
  return Buffer.from([0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)]);
}

/** A call that asks for nothing of its own has the very rules of its loader. */
function judgeOf(bag: Bag, defaults: ParsedJudge): ParsedJudge {
  if (JUDGE_NAMES.every((name) => bag[name] === undefined)) return defaults;
  return {
    policy: {
      strict: optional(bag["strict"], "strict", "boolean") ?? defaults.policy.strict,
      engineSafety: optional(bag["engineSafety"], "engineSafety", "boolean") ?? defaults.policy.engineSafety,
      limits: defaults.policy.limits,
    },
    requireDigest: optional(bag["requireDigest"], "requireDigest", "boolean") ?? defaults.requireDigest,
    maxBytes: optionalWhole(bag["maxBytes"], "maxBytes") ?? defaults.maxBytes,
    guard: oneOf(bag["guard"] ?? defaults.guard, "guard", ["auto", ...GUARDS]),
    minGuard: oneOf(bag["minGuard"] ?? defaults.minGuard, "minGuard", GUARDS),
    flatAlways: bag["flatDigest"] === undefined ? defaults.flatAlways : oneOf(bag["flatDigest"], "flatDigest", ["always", "unless-recorded"]) === "always",
    digestFrom: digestFromOf(bag["digestFrom"]) ?? defaults.digestFrom,
  };
}

function recordsOf(given: unknown): ParsedRecords | undefined {
  if (given === undefined) return undefined;
  const { folder, key, keyFile, maxAgeSeconds, identity } = bagOf(given, "records", RECORD_NAMES);
  if (typeof folder !== "string" || folder === "") throw new TypeError("records.folder must be the path of a folder");
  const maxAge = optionalWhole(maxAgeSeconds, "records.maxAgeSeconds");
  return {
    folder: stringBytes(resolve(folder)),
    key: recordKey(key, keyFile, folder),
    identity: optional(identity, "records.identity", "boolean") ?? false,
    maxAgeMs: maxAge === undefined ? undefined : Math.min(maxAge * 1000, Number.MAX_SAFE_INTEGER),
  };
}

/** @throws TypeError that names the option */
export function sealsOf(given: unknown): GivenKey {
  const { key, keyFile } = bagOf(given, "seals", SEALS_NAMES);
  return givenKey(key, keyFile, SEAL_KEY);
}

function limitsOf(given: unknown): NativeLimits {
  if (given === undefined) return {};
  const bag = bagOf(given, "limits", new Set<string>(LIMIT_NAMES));
  const limits: Record<string, number> = {};
  for (const name of LIMIT_NAMES) {
    if (bag[name] !== undefined) limits[name] = whole(bag[name], `limits.${name}`, 1, Number.MAX_SAFE_INTEGER);
  }
  return limits;
}

function folderBytes(root: unknown): Uint8Array {
  if (typeof root === "string" && root !== "") return stringBytes(root);
  if (root instanceof Uint8Array && root.length > 0) return Uint8Array.from(root);
  if (root instanceof URL) return Buffer.from(fileURLToPath(root), "utf8");
  throw new TypeError("root must be the path of the folder that models must lie in");
}

/** @throws TypeError that names the option */
export function auditOf(audit: unknown): AuditLog | undefined {
  if (audit === undefined || audit === "disabled") return undefined;
  if (hasMethods(audit, ["emit", "emitSync", "flush", "attachMetrics"])) return audit as unknown as AuditLog;
  throw new TypeError('audit must be an AuditLog (await AuditLog.open(folder)) or "disabled"');
}

function registryOf(registry: unknown): Registry | undefined {
  if (registry === undefined) return undefined;
  if (hasMethods(registry, ["registerMetric", "getSingleMetric"])) return registry as unknown as Registry;
  throw new TypeError("registry must be a prom-client Registry");
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof (value as Bag)[name] === "function");
}

function digestsOf(sha256: unknown): string | ReadonlyMap<string, string> | undefined {
  if (sha256 === undefined) return undefined;
  if (typeof sha256 === "string") return digestOf(sha256, "sha256");
  if (!isPlain(sha256)) {
    throw new TypeError(`sha256 must be a string of 64 hex digits, or an object with such strings by file name, not ${kindOf(sha256)}`);
  }
  return new Map(Object.entries(sha256).map(([name, digest]) => [name, digestOf(digest, `sha256[${JSON.stringify(name)}]`)]));
}

/** Neither a buffer nor a Map, whose own properties are not what was meant. */
function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function digestOf(digest: unknown, name: string): string {
  if (typeof digest !== "string") throw new TypeError(`${name} must be a string of 64 hex digits, not ${kindOf(digest)}`);
  if (!/^[0-9a-f]{64}$/iu.test(digest)) throw new TypeError(`${name} must be 64 hex digits, and this has ${digest.length} characters`);
  return digest.toLowerCase();
}

function digestFromOf(given: unknown): DigestSource | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== "object") return { name: oneOf(given, "digestFrom", DIGEST_SOURCES), file: undefined };
  const [entry, ...more] = Object.entries(bagOf(given, "digestFrom", new Set(Object.keys(FILE_BESIDE))));
  if (entry === undefined || more.length > 0) throw new TypeError("digestFrom must name one source: { sha256sums } or { manifest }");
  return { name: oneOf(entry[0], "digestFrom", DIGEST_SOURCES), file: pathBytes(entry[1]) };
}

export function signalOf(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw new TypeError(`signal must be an AbortSignal, not ${kindOf(signal)}`);
}

interface Kinds {
  string: string;
  boolean: boolean;
  function: (progress: Progress) => void;
}

export function optional<K extends keyof Kinds>(value: unknown, name: string, kind: K): Kinds[K] | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== kind) throw new TypeError(`${name} must be a ${kind}, not ${kindOf(value)}`);
  return value as Kinds[K];
}

function optionalWhole(value: unknown, name: string): number | undefined {
  return value === undefined ? undefined : whole(value, name, 0, Number.MAX_SAFE_INTEGER);
}

export function whole(value: unknown, name: string, least: number, most: number): number {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number, not ${kindOf(value)}`);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new TypeError(`${name} must be a whole number from ${least} to ${most}, not ${value}`);
}

export function oneOf<T extends string>(value: unknown, name: string, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T;
  throw new TypeError(`${name} must be one of ${allowed.map((one) => JSON.stringify(one)).join(", ")}`);
}
