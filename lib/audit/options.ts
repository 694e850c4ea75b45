/** What a log can be told when it is opened; everything is judged before anything is touched. */
import type { Registry } from "prom-client";
import type { Native } from "../native.ts";
import { bagOf, namesOf } from "../option-bag.ts";
import { systemError } from "../system-error.ts";
import type { Fold } from "../tlog/hash.ts";
import { checkpointSettings } from "./checkpoint-options.ts";
import type { CheckpointOptions, CheckpointSettings } from "./checkpoint-options.ts";
import { SYSTEM_CLOCK } from "./clock.ts";
import type { AuditClock } from "./clock.ts";
import { toStandardError } from "./emergency.ts";
import type { Emergency } from "./emergency.ts";
import { NODE_FS } from "./files.ts";
import type { AuditFs } from "./files.ts";
import type { FloodLimits, FloodSettings } from "./flood.ts";
import type { Link } from "./chain.ts";
import type { Held, Lock } from "./lock.ts";
import { ORIGIN_MAX, RECORD_BYTES_MAX } from "./record.ts";
import type { RetentionPolicy } from "./retention.ts";
import type { Guard } from "./segment.ts";
import { judgeSinks } from "./sinks/sink.ts";
import type { AuditSink } from "./sinks/sink.ts";
import type { Allocate } from "./space.ts";

/** For diagnostics only; a pino logger fits. */
export interface AuditLogger {
  error(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export interface AuditLogOptions {
  /** A prom-client Registry for the trail's counters. */
  readonly registry?: Registry;
  readonly logger?: AuditLogger;
  /** The trail's name: no spaces, no `+`. A new trail takes host name and a random part; an old one keeps its own. */
  readonly origin?: string;
  /** A segment that has grown to this many bytes is followed by a new one. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Kept back on the disk, so that a full disk can be recorded. Default 1 MiB; 0 for none. */
  readonly reserveBytes?: number;
  /** Begin a new segment with each day of UTC, too. Default: where `retention` is given. */
  readonly rotateDaily?: boolean;
  /** When old segments are deleted (README, "Retention"). Default: never. */
  readonly retention?: RetentionPolicy;
  /** How many like refusals are recorded one by one before they are summarised (README, "Floods"); `false`: all of them. */
  readonly flood?: FloodLimits | false;
  /** Go on behind damage or a rollback, and record that. Default false: such a trail is refused. */
  readonly force?: boolean;
  /** Signed checkpoints of the trail's Merkle tree, for auditors and witnesses; `false` for none. */
  readonly checkpoints?: CheckpointOptions | false;
  /** Where durable records are sent beyond this machine: `natsSink`, `syslogSink`, `otelSink`. */
  readonly sinks?: readonly AuditSink[];
  readonly clock?: AuditClock;
  readonly fs?: AuditFs;
  /** Default: flock through the addon. */
  readonly lock?: Lock;
  /** Default: the addon's sync when the thread is torn down. */
  readonly guard?: Guard;
  /** Takes one JSON line for each record that is lost. Default: standard error. It must not throw. */
  readonly emergency?: Emergency;
}

export interface Settings {
  readonly registry: Registry | undefined;
  readonly logger: AuditLogger | undefined;
  readonly origin: string | undefined;
  readonly segmentBytes: number;
  readonly reserveBytes: number;
  readonly rotateDaily: boolean;
  readonly retention: RetentionPolicy | undefined;
  readonly flood: FloodSettings | undefined;
  readonly force: boolean;
  /** Undefined where there are none. */
  readonly checkpoints: CheckpointSettings | undefined;
  readonly sinks: readonly AuditSink[];
  readonly clock: AuditClock;
  readonly fs: AuditFs;
  readonly lock: Lock;
  readonly guard: Guard | undefined;
  readonly allocate: Allocate;
  readonly link: Link;
  readonly fold: Fold;
  readonly emergency: Emergency;
}

const SEGMENT_BYTES = 64 * 1024 * 1024;
const FLOOD: FloodSettings = { equal: 100, sameActor: 1_000, sameKind: 5_000, windowSeconds: 60, summaryMs: 250 };
const FLOOD_MAX: FloodSettings = { equal: 1e9, sameActor: 1e9, sameKind: 1e9, windowSeconds: 86_400, summaryMs: 10_000 };
const RESERVE_BYTES = 1024 * 1024;
const RESERVE_BYTES_MIN = 64 * 1024;
const RESERVE_BYTES_MAX = 64 * 1024 * 1024;
/** C2SP names hold no space and no plus; quote and backslash would need escapes. */
const ORIGIN = /^[!#-*,-[\]-~]+$/;

const NAMES = namesOf<AuditLogOptions>({
  registry: true, logger: true, origin: true, segmentBytes: true, reserveBytes: true, rotateDaily: true, retention: true, flood: true, force: true,
  checkpoints: true, sinks: true, clock: true, fs: true, lock: true, guard: true, emergency: true,
});

export async function settingsOf(dir: unknown, options: AuditLogOptions): Promise<Settings> {
  bagOf(options, "options", NAMES);
  if (typeof dir !== "string" || dir === "" || dir.includes("\0")) throw new TypeError("dir must be the path of the audit folder");
  const { origin, segmentBytes = SEGMENT_BYTES, reserveBytes = RESERVE_BYTES, force = false } = options;
  if (origin !== undefined && !isOrigin(origin)) {
    throw new TypeError(`origin must be 1 to ${ORIGIN_MAX} printable ASCII characters without spaces, +, quotes and backslashes`);
  }
  if (!Number.isSafeInteger(segmentBytes) || segmentBytes < RECORD_BYTES_MAX) {
    throw new TypeError(`segmentBytes must be a whole number of at least ${RECORD_BYTES_MAX}`);
  }
  if (reserveBytes !== 0 && !isWhole(reserveBytes, RESERVE_BYTES_MIN, RESERVE_BYTES_MAX)) {
    throw new TypeError(`reserveBytes must be 0 or a whole number from ${RESERVE_BYTES_MIN} to ${RESERVE_BYTES_MAX}`);
  }
  if (options.rotateDaily !== undefined && typeof options.rotateDaily !== "boolean") throw new TypeError("rotateDaily must be true or false");
  judgeRetention(options.retention);
  if (typeof force !== "boolean") throw new TypeError("force must be true or false");
  return {
    registry: options.registry,
    logger: options.logger,
    origin,
    segmentBytes,
    reserveBytes,
    rotateDaily: options.rotateDaily ?? options.retention !== undefined,
    retention: options.retention,
    flood: options.flood === false ? undefined : floodSettings(options.flood),
    force,
    checkpoints: checkpointSettings(options.checkpoints),
    sinks: judgeSinks(options.sinks),
    clock: options.clock ?? SYSTEM_CLOCK,
    fs: options.fs ?? NODE_FS,
    emergency: options.emergency ?? toStandardError,
    ...(await nativeParts(options)),
  };
}

export function isOrigin(origin: unknown): origin is string {
  return typeof origin === "string" && origin.length <= ORIGIN_MAX && ORIGIN.test(origin);
}

function judgeRetention(policy: unknown): void {
  if (policy === undefined) return;
  if (typeof policy !== "object" || policy === null) throw new TypeError("retention must be an object with days, bytes or both");
  const limits = Object.entries(policy);
  if (limits.length === 0) throw new TypeError("retention must say days, bytes or both");
  for (const [name, value] of limits) {
    if (name !== "days" && name !== "bytes") throw new TypeError(`retention has no limit ${name}`);
    if (!isWhole(value, 1, Number.MAX_SAFE_INTEGER)) throw new TypeError(`retention.${name} must be a whole number above 0`);
  }
}

function floodSettings(limits: unknown = {}): FloodSettings {
  if (typeof limits !== "object" || limits === null) throw new TypeError("flood must be an object of limits, or false");
  const settings = { ...FLOOD, ...limits };
  for (const [name, value] of Object.entries(settings)) {
    if (!Object.hasOwn(FLOOD, name)) throw new TypeError(`flood has no limit ${name}`);
    const max = FLOOD_MAX[name as keyof FloodSettings];
    if (!isWhole(value, 1, max)) throw new TypeError(`flood.${name} must be a whole number from 1 to ${max}`);
  }
  return settings;
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

/** The addon is loaded only where a trail is written, so that one can be verified without it. */
async function nativeParts({ lock, guard }: AuditLogOptions): Promise<Pick<Settings, "lock" | "guard" | "allocate" | "link" | "fold">> {
  const { native } = await import("../native.ts");
  const parts: Pick<Settings, "allocate" | "link" | "fold"> = {
    allocate: (fd, offset, bytes) => native.allocateSpace(fd, offset, bytes),
    link: (lines, previous) => native.linkLines(lines, previous),
    fold: (hashes) => native.foldHashes(hashes),
  };
  if (lock !== undefined) return { ...parts, lock, guard };
  return { ...parts, lock: (path) => lockOf(native.lockFile(path)), guard: guard ?? ((fd) => native.syncAtExit(fd)) };
}

function lockOf({ lock, failure }: ReturnType<Native["lockFile"]>): Held | null {
  if (failure !== undefined) throw systemError(failure);
  return lock ?? null;
}
