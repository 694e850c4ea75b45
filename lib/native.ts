/**
 * The addon's surface and its loader.
 *
 * The library is found by a fixed name beside this module or in the platform's own package, never by the
 * environment: a variable that names a library to load would be a way around the gate.
 */
import { createRequire } from "node:module";
import type { GuardName } from "./guard.ts";
import type { NativeVram } from "./vram/native.ts";

export interface NativePolicy {
  readonly strict: boolean;
  readonly engineSafety: boolean;
  readonly limits: NativeLimits;
}

/** Limits of the parser, in the order of the README's table; absent means the default. */
export interface NativeLimits {
  readonly headerBytes?: number;
  readonly metadataPairs?: number;
  readonly tensors?: number;
  readonly arrayElements?: number;
  readonly stringBytes?: number;
  readonly chatTemplateBytes?: number;
  readonly keyBytes?: number;
  readonly alignment?: number;
  readonly indexBytes?: number;
}

export interface NativeAsk {
  readonly sha256?: string;
  readonly maxBytes?: number;
  readonly guard?: GuardName;
  readonly minGuard?: GuardName;
  readonly policy: NativePolicy;
  readonly proving: NativeProving;
}

/** How a digest is to be proven. */
export interface NativeProving {
  readonly records?: NativeRecords;
  readonly flatAlways: boolean;
  readonly threads?: number;
}

export interface NativeRecords {
  readonly folder: Uint8Array;
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly maxAgeMs?: number;
  /** Believe an inode that nobody can have written to. */
  readonly identity: boolean;
}

/** Why a record was not believed. */
export type RecordReason = "folder" | "unreadable" | "length" | "version" | "forged" | "other-model" | "stale" | "values";

export interface NativeRecordNotes {
  readonly ignoredReason?: RecordReason;
  readonly ignoredMessage?: string;
  readonly stored: boolean;
  readonly storeFailure?: string;
}

/** Bytes that are still the verified ones, or why there are none. */
export interface NativeWindow {
  readonly bytes?: Buffer;
  readonly refusal?: NativeRefusal;
}

export interface NativeFacts {
  readonly sizeBytes: number;
  /** Absent where several files are one model. */
  readonly dev?: bigint;
  readonly ino?: bigint;
  readonly links?: number;
}

export interface NativeRefusal {
  readonly code: string;
  readonly message: string;
  readonly retriable: boolean;
  readonly offset?: number;
  readonly field?: string;
  readonly expected?: string;
  readonly actual?: string;
  readonly sha256?: string;
  readonly facts?: NativeFacts;
  /** Which part of a split model, from 1. */
  readonly part?: number;
}

export interface NativeFinding {
  readonly rule: number;
  readonly message: string;
  readonly offset?: number;
  readonly field?: string;
}

export interface NativeSummary {
  readonly version: number;
  readonly alignment: number;
  readonly metadataCount: number;
  readonly tensorCount: number;
  readonly headerBytes: number;
  readonly dataOffset: number;
  readonly fileBytes: number;
  readonly architecture?: string;
  readonly split?: { readonly index: number; readonly count: number; readonly tensors?: number };
  readonly findings: NativeFinding[];
  readonly findingCount: number;
}

export interface NativeTensor {
  readonly name: string;
  readonly type: string;
  readonly shape: bigint[];
  readonly offset: number;
  readonly bytes: number;
}

export type NativeScalar = number | bigint | boolean | string;
export type NativeArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array
  | boolean[]
  | string[];

export interface NativeGguf {
  summary(): NativeSummary;
  keys(): string[];
  /** Type names as ggml writes them: `u32`, `str`, `arr[str]`; `length` is 1 for scalars. */
  describe(key: string): { readonly type: string; readonly length: number; readonly offset: number } | null;
  value(key: string): NativeScalar | NativeArray | null;
  tensors(first: number, count: number): NativeTensor[];
  tensorNamed(name: string): NativeTensor | null;
}

export interface NativeModel {
  fd(): number;
  /** What guards the bytes now. */
  guard(): GuardName;
  /** Whether they were guarded better when they were handed over. */
  guardBroken(): boolean;
  /** Copies bytes out of the file, each tile checked anew; the range must lie in the file. */
  read(offset: number, length: number, control: NativeControl): Promise<NativeWindow>;
  /** Closes the descriptor; a second call does nothing. */
  close(): void;
}

/** What proves a digest (README, "Records"). */
export type ProofName = "sha256" | "tiles" | "fs-verity" | "identity";

export interface NativeVerdict {
  readonly refusal?: NativeRefusal;
  readonly model?: NativeModel;
  readonly gguf?: NativeGguf;
  readonly facts?: NativeFacts;
  readonly sha256?: string;
  readonly blake3?: string;
  /** Why the guard is no better one. */
  readonly guardShortfall?: string;
  /** The file's own digest under fs-verity. */
  readonly verityDigest?: string;
  /** Only of a file that was to be protected: whether it was already, and whether the digest was compared with our own. */
  readonly protection?: { readonly already: boolean; readonly compared: boolean };
  readonly proof?: { readonly by: ProofName; readonly recordedMs?: number };
  readonly records?: NativeRecordNotes;
}

/** A split model that was accepted with all of its parts, or the refusal of all of it. */
export interface NativeSetVerdict {
  readonly refusal?: NativeRefusal;
  readonly records?: NativeRecordNotes;
  /** In order; each has a model of its own. */
  readonly parts?: readonly NativeVerdict[];
  readonly sha256?: string;
  readonly links?: NativeLinks;
}

/** The private folder in which an engine finds the parts of a set under their names. */
export interface NativeLinks {
  /** The first part's link. */
  path(): Buffer;
  /** Removes the folder; a second call does nothing. */
  remove(): void;
}

/** What the name of a split model's file says. */
export interface NativeSplitPath {
  /** Which part it names, from 0. */
  readonly index: number;
  readonly count: number;
  /** More parts than that are refused. */
  readonly countMax: number;
}

export interface NativeControl {
  cancel(): void;
  bytesDone(): number;
  bytesTotal(): number;
}

export interface NativeRoot {
  load(path: Uint8Array, ask: NativeAsk, control: NativeControl): Promise<NativeVerdict>;
  protect(path: Uint8Array, ask: NativeAsk, control: NativeControl): Promise<NativeVerdict>;
  /** All parts of the set whose first one the path names. `parts` are their digests in order, empty text where none is promised. */
  loadSet(path: Uint8Array, ask: NativeAsk, parts: readonly string[], linksIn: Uint8Array, control: NativeControl): Promise<NativeSetVerdict>;
  inspect(path: Uint8Array, ask: NativeAsk, control: NativeControl): Promise<NativeVerdict>;
  /** Whether the path opens a regular file beneath the root, or all parts of a set: the refusals that come before any reading. */
  find(path: Uint8Array, isSet: boolean): Promise<NativeVerdict>;
  /** A small regular file, whole. */
  readSmall(path: Uint8Array, maxBytes: number): Promise<NativeWindow>;
  /** The path without links of the file that `path` opens, in bytes. */
  realPath(path: Uint8Array): Promise<NativeWindow>;
  /** The path relative to the root; null where its text cannot lie below the root. */
  relative(path: Uint8Array): Buffer | null;
  close(): void;
}

export interface NativeBytesPass {
  /** Copies as much of `bytes` as there is room for and returns how much that was; never blocks. */
  offer(bytes: Uint8Array): number;
  /** Resolves when there is room again, or the pass has ended. */
  room(): Promise<void>;
  finish(): Promise<NativeVerdict>;
}

/** A system call that failed; `errno` is absent where the failure is not the system's. */
export interface NativeSystemFailure {
  readonly errno?: number;
  readonly message: string;
}

export interface NativeLock {
  release(): void;
}

export interface Native extends NativeVram {
  version(): string;
  /** What this build runs on and with. */
  about(): { readonly supported: boolean; readonly sha256: string; readonly sha256Lanes: string; readonly blake3: string };
  /** Opens the folder that every path must stay beneath. */
  openRoot(path: Uint8Array): { readonly root?: NativeRoot; readonly refusal?: NativeRefusal };
  newControl(): NativeControl;
  startBytes(totalBytes: number, sha256: string | undefined, policy: NativePolicy, control: NativeControl): NativeBytesPass;
  /** What the path says of its place in a split model; null where it is no name of a part. */
  splitPath(path: Uint8Array): NativeSplitPath | null;
  /** The path of another part, from 0, of the same split model. */
  splitPart(path: Uint8Array, index: number): Buffer | null;
  /** Exclusive advisory lock (flock) on a file that is created where missing; neither field when somebody else holds it. */
  lockFile(path: string): { readonly lock?: NativeLock; readonly failure?: NativeSystemFailure };
  /** Disk space for `bytes` from `offset` on; the file's size stays as it is. False where there is none to be had. */
  allocateSpace(fd: number, offset: number, bytes: number): boolean;
  /** Syncs the descriptor's file once more when this environment (thread or process) is torn down. */
  syncAtExit(fd: number): NativeLock;
  /** Files in place, each whole and durable, on a thread of its own: written beside its name, synced, renamed, folders synced. Gives what failed. */
  storeFiles(files: readonly { readonly path: string; readonly content: Uint8Array }[]): Promise<NativeSystemFailure | null>;
  /**
   * Chains lines in place: each ends with 64 characters of room, `"}` and a newline, and gets the leaf hash of the one before it there
   * (the first: `previous`). Returns their RFC 6962 leaf hashes, 64 hexadecimal digits each.
   */
  linkLines(lines: Buffer, previous: string): string;
  /** The root above a power of two of hashes (32 bytes each) that lie side by side. */
  foldHashes(hashes: Uint8Array): Buffer;
}

/** Names of the native exports; a test holds them equal to what the binary exports. */
export const NATIVE_EXPORTS: readonly (keyof Native)[] = [
  "about",
  "allocateSpace",
  "foldHashes",
  "linkLines",
  "lockFile",
  "newControl",
  "openRoot",
  "splitPart",
  "splitPath",
  "startBytes",
  "storeFiles",
  "syncAtExit",
  "tileListResponse",
  "tileListRoot",
  "version",
  "vramCheckRecord",
  "vramDevices",
  "vramDrmUse",
  "vramMeasure",
  "vramSeal",
  "vramSealSet",
  "vramVerifyRanges",
];

const require = createRequire(import.meta.url);
const { version } = require("../package.json") as { version: string };

/** The version of this package; the addon must be of exactly this one. */
export const VERSION: string = version;

/** The one native library of this process. */
export const native: Native = open();

function open(): Native {
  const target = `${process.platform}-${process.arch}${libc()}`;
  const failures: unknown[] = [];
  for (const place of [`../dist/model-loader.${target}.node`, `model-loader-${target}`]) {
    try {
      return ofThisVersion(require(place) as Native, place);
    } catch (failure) {
      failures.push(failure);
    }
  }
  throw new AggregateError(
    failures,
    `model-loader has no native library for ${target}. In a checkout, build it with: node scripts/build.mjs`,
  );
}

/** Two versions side by side would judge by one set of rules and report by another. */
function ofThisVersion(found: Native, place: string): Native {
  if (found.version() === VERSION) return found;
  throw new Error(`${place} is version ${found.version()}, but this package is ${VERSION}; rebuild or reinstall it`);
}

function libc(): string {
  if (process.platform !== "linux") return "";
  const header = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header;
  return header.glibcVersionRuntime === undefined ? "-musl" : "-gnu";
}
