/**
 * The audit trail of one folder. A promise that resolves means that the record is on disk; one that rejects has been counted, logged
 * and written to standard error before.
 */
import { resolve } from "node:path";
import { performance } from "node:perf_hooks";
import type { Registry } from "prom-client";
import { TlogError } from "../tlog/errors.ts";
import { Alarm } from "./alarm.ts";
import { Timekeeper } from "./clock.ts";
import { Committer } from "./committer.ts";
import { AuditWriteError } from "./errors.ts";
import type { AuditEvent } from "./events.ts";
import { Flood } from "./flood.ts";
import { prunable, pruned, removeSegments } from "./retention.ts";
import { beforeExit, notBeforeExit } from "./exit.ts";
import { prepareFolder } from "./folder.ts";
import type { Follower } from "./follower.ts";
import type { TrailFolder } from "./folder.ts";
import { identityJson } from "./identity.ts";
import { takeLock } from "./lock.ts";
import type { Held } from "./lock.ts";
import { AuditMetrics } from "./metrics.ts";
import type { AuditState } from "./metrics.ts";
import { settingsOf } from "./options.ts";
import type { AuditLogOptions, Settings } from "./options.ts";
import { draftOf, linePrefix } from "./record.ts";
import type { Covered, Draft, Frame } from "./record.ts";
import { openTrail } from "./opening.ts";
import type { Opened } from "./opening.ts";
import type { AuditReceipt } from "./pending.ts";
import { PublishedTree } from "./published-tree.ts";
import { Reserve } from "./reserve.ts";
import type { Recovery } from "./recovery.ts";
import { clockStepped, runClosed, runOpened } from "./run-events.ts";
import { Segment } from "./segment.ts";
import type { Place } from "./segment.ts";
import { prepareSinks, Sinks } from "./sinks/sinks.ts";
import type { PreparedSink } from "./sinks/sinks.ts";
import { Stamps } from "./stamp.ts";
import { Trail } from "./trail.ts";
import { witnessReason } from "./witness-reason.ts";

export type { FloodLimits } from "./flood.ts";
export type { RetentionPolicy } from "./retention.ts";
export type { AuditLogger, AuditLogOptions } from "./options.ts";
export type { AuditReceipt } from "./pending.ts";

const DAY_MS = 86_400_000;

export class AuditLog {
  readonly dir: string;
  readonly origin: string;
  readonly #metrics: AuditMetrics;
  readonly #alarm: Alarm;
  readonly #time: Timekeeper;
  readonly #frame: Frame;
  readonly #trail: Trail;
  readonly #committer: Committer;
  readonly #held: Held;
  readonly #tree: PublishedTree | undefined;
  readonly #sinks: Sinks;
  readonly #followers: readonly Follower[];
  readonly #reserve: Reserve;
  readonly #flood: Flood;
  /** Deletes what the retention policy lets go. */
  readonly #keep: () => void;
  readonly #openedAt = performance.now();
  readonly #atExit = (): void => { this.#closeAtExit(); };
  #lastDurableMs = 0;
  #checkpointMs = 0;
  #rollbackTold = false;
  #closed = false;
  #closing: Promise<void> | undefined;

  /** Opens or begins the trail in `dir`. Rejects with AuditWriteError where it cannot be written, is in use, is damaged or was rolled back. */
  static async open(dir: string, options: AuditLogOptions = {}): Promise<AuditLog> {
    const settings = await settingsOf(dir, options);
    const sinks = await prepareSinks(settings.sinks);
    const places = prepareFolder(settings.fs, resolve(dir));
    const held = takeLock(settings.lock, places.lock, places.folder);
    try {
      return new AuditLog(settings, places, held, await openTrail(settings, places), sinks);
    } catch (failure) {
      held.release();
      throw failure;
    }
  }

  private constructor(settings: Settings, places: TrailFolder, held: Held, opened: Opened, sinks: readonly PreparedSink[]) {
    const { recovery } = opened;
    this.dir = places.folder;
    this.origin = opened.origin;
    this.#held = held;
    this.#metrics = new AuditMetrics(() => this.#state());
    this.#alarm = new Alarm(this.dir, this.#metrics, settings.logger, settings.emergency);
    const { clock } = settings;
    this.#time = new Timekeeper(clock);
    const unreadable: Frame["unreadable"] = (severity, failure) => { this.#alarm.unreadable(severity, failure); };
    this.#frame = { prefix: linePrefix(this.origin), stamps: new Stamps(this.#time, identityJson()), unreadable };
    this.#tree = this.#makeTree(settings, opened);
    this.#reserve = new Reserve({
      fs: settings.fs, folder: this.dir, bytes: settings.reserveBytes,
      warn: (failure, message) => { this.#alarm.warn(failure, message); },
    });
    this.#sinks = new Sinks(sinks, {
      dir: this.dir,
      origin: this.origin,
      record: (event) => { if (!this.#closed) void this.emit(event); },
      warn: (failure, message) => { this.#alarm.warn(failure, message); },
    });
    this.#followers = [...(this.#tree === undefined ? [] : [this.#tree]), ...this.#sinks.followers];
    this.#trail = this.#makeTrail(settings, places.log, recovery);
    this.#committer = new Committer({
      trail: this.#trail,
      flushed: (seconds) => { this.#flushed(clock.now(), seconds); },
      failed: (draft, failure) => { this.#alarm.lost(draft, failure); },
    });
    this.#flood = this.#makeFlood(settings);
    this.#keep = () => { this.#prune(settings, places.log, recovery.lastMs); };
    this.#begin(settings, opened);
    this.#keep();
  }

  /** Records in the trail, over all its runs. */
  get size(): number {
    return this.#trail.size;
  }

  /** The leaf hash of the last record. */
  get head(): string {
    return this.#trail.head;
  }

  /** The last signed checkpoint, a C2SP note to be kept elsewhere too; undefined before the first. */
  get checkpoint(): string | undefined {
    return this.#tree?.published?.note;
  }

  /** False while records cannot be made durable, once a sink proved a rollback, and once the log is closed. */
  get healthy(): boolean {
    return !this.#closed && !this.#trail.failing && this.#sinks.sound;
  }

  /** Resolves when the record is on disk. Never throws; the rejection is an AuditWriteError. */
  emit(event: AuditEvent): Promise<AuditReceipt> {
    const draft = this.#draft(event);
    if (!this.#closed && this.#flood.admits(draft)) return this.#committer.emit(draft);
    const receipt = this.#closed ? this.#refuse(draft) : this.#flood.suppress(draft);
    // A lost record has been counted and logged: a caller who does not wait for it must not end the process.
    receipt.catch(() => undefined);
    return receipt;
  }

  /** The same within the call, for disposal and exit. */
  emitSync(event: AuditEvent): AuditReceipt {
    const draft = this.#draft(event);
    if (this.#closed) throw this.#refusal(draft);
    return this.#committer.emitSync(draft);
  }

  /** Resolves when everything emitted before is on disk. */
  flush(): Promise<void> {
    this.#flood.end();
    return this.#closed ? Promise.resolve() : this.#committer.flush();
  }

  flushSync(): void {
    this.#flood.end();
    if (!this.#closed) this.#committer.flushSync();
  }

  /** Adds the trail's metrics to `registry`, with all that was counted so far. A second call does nothing. */
  attachMetrics(registry: Registry): void {
    this.#metrics.attach(registry);
    this.#sinks.attach(registry);
  }

  /** Records the end, syncs, closes the file and lets go of the folder. A second call waits for the first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#closed ? Promise.resolve() : this.#close();
    return this.#closing;
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.#closeSync("dispose");
  }

  async #close(): Promise<void> {
    this.#flood.end();
    const last = this.#draft(runClosed("dispose"));
    this.#closed = true;
    try {
      await this.#committer.emit(last);
    } finally {
      await Promise.all(this.#followers.map((follower) => follower.close()));
      this.#release();
    }
  }

  #closeSync(why: string): void {
    this.#flood.end();
    const last = this.#draft(runClosed(why));
    this.#closed = true;
    try {
      this.#committer.emitSync(last);
    } finally {
      for (const follower of this.#followers) follower.closeSync();
      this.#release();
    }
  }

  #closeAtExit(): void {
    try {
      if (!this.#closed) this.#closeSync("exit");
      else this.#committer.flushSync();
    } catch (failure) {
      this.#alarm.notClosed(failure);
    }
  }

  #flushed(now: number, seconds: number): void {
    this.#lastDurableMs = now;
    this.#metrics.flushed(seconds);
    this.#reserve.keep();
  }

  #release(): void {
    notBeforeExit(this.#atExit);
    this.#trail.close();
    this.#held.release();
  }

  #draft(event: AuditEvent, covers?: Covered): Draft {
    const draft = draftOf(event, this.#frame, covers);
    const step = this.#time.takeStep();
    if (step !== undefined) this.#trail.owe(clockStepped(step));
    this.#metrics.emitted(draft.type, draft.severity);
    return draft;
  }

  #refuse(draft: Draft): Promise<never> {
    return Promise.reject(this.#refusal(draft));
  }

  #refusal(draft: Draft): AuditWriteError {
    const failure = new AuditWriteError("closed", "the audit log is closed; nothing more can be recorded");
    this.#alarm.lost(draft, failure);
    return failure;
  }

  #makeTree(settings: Settings, { tree, durable, restartTree }: Opened): PublishedTree | undefined {
    if (tree === undefined || settings.checkpoints === undefined) return undefined;
    return new PublishedTree({
      settings: settings.checkpoints,
      started: tree,
      size: durable,
      restart: restartTree,
      published: () => { this.#checkpointMs = settings.clock.now(); },
      failed: (failure) => { this.#alarm.checkpointFailed(failure); },
      witnessFailed: (failure) => { this.#witnessFailed(failure); },
    });
  }

  /** A witness that saw another history tells what the files cannot: it is recorded, once a run. */
  #witnessFailed(failure: unknown): void {
    this.#alarm.witnessFailed(failure);
    if (this.#rollbackTold || !(failure instanceof TlogError) || witnessReason(failure) !== "inconsistent") return;
    this.#rollbackTold = true;
    const details = { foundSize: this.size, message: failure.message };
    void this.emit({ type: "AuditRollbackDetected", outcome: "failed", action: "audit.witness", reason: failure.code, details });
  }

  /** A wall clock that jumps ahead must not empty the log: age is counted from the last run's newest record and the time since. */
  #prune({ fs, clock, retention }: Settings, log: string, lastMs: number | undefined): void {
    const current = this.#trail.segmentName;
    if (retention === undefined || this.#closed || current === undefined) return;
    const now = Math.min(clock.now(), (lastMs ?? Infinity) + performance.now() - this.#openedAt);
    try {
      const segments = prunable(fs, log, retention, current, now);
      for (const segment of segments) this.emitSync(pruned(segment, retention));
      removeSegments(fs, log, segments);
    } catch (failure) {
      this.#alarm.warn(failure, "old segments of the audit trail could not be pruned; it is tried again");
    }
  }

  #makeFlood({ flood, clock }: Settings): Flood {
    const now = (): number => {
      const [seconds, nanos] = clock.hrtime();
      return seconds * 1000 + nanos / 1e6;
    };
    return new Flood({
      settings: flood,
      now,
      write: (event, { severity }, count) => this.#committer.emit(this.#draft(event, { severity, count })),
      suppressed: ({ type, severity }) => { this.#metrics.suppressed(type, severity); },
    });
  }

  #makeTrail(settings: Settings, log: string, recovery: Recovery): Trail {
    const { fs, guard, allocate, segmentBytes } = settings;
    const place: Place = { fs, folder: log, guard, allocate, segmentBytes };
    const { resume, next, head } = recovery;
    const segment = resume === undefined ? undefined : Segment.resume(place, resume.segment.name, resume.segment.first, resume.bytes);
    return new Trail({
      place, next, head,
      chain: { prefix: this.#frame.prefix, link: settings.link },
      reserve: this.#reserve,
      today: settings.rotateDaily ? () => dayOf(settings.clock.now()) : undefined,
      resumedDay: recovery.lastMs === undefined ? undefined : dayOf(recovery.lastMs),
      rotated: () => { if (settings.retention !== undefined) setImmediate(() => { this.#keep(); }).unref(); },
      draft: (event) => this.#draft(event),
      syncFailed: (failure, waiting) => { this.#alarm.syncFailed(failure, waiting); },
      durable: (records) => { for (const follower of this.#followers) follower.durable(records); },
      warn: (failure, message) => { this.#alarm.warn(failure, message); },
    }, segment);
  }

  /** What is owed from earlier runs comes first; then the trail says that it was opened, and how the last run ended. */
  #begin(settings: Settings, { recovery, owed }: Opened): void {
    if (settings.registry !== undefined) this.attachMetrics(settings.registry);
    this.#reserve.keep();
    this.#trail.carry(recovery.carried);
    for (const event of owed) this.#trail.owe(event);
    try {
      this.#committer.emitSync(this.#draft(runOpened(recovery, settings)));
    } catch (failure) {
      for (const follower of this.#followers) follower.closeSync();
      this.#trail.close();
      throw failure;
    }
    beforeExit(this.#atExit);
  }

  #state(): AuditState {
    if (!this.#closed) this.#trail.hasRoom();
    const since = this.#trail.waitingSinceMs;
    return {
      dir: this.dir,
      waiting: this.#trail.waiting,
      unsynced: this.#trail.unsynced,
      size: this.#trail.size - this.#trail.unsynced,
      lastDurableSeconds: this.#lastDurableMs / 1000,
      checkpointSize: this.#tree?.published?.size ?? 0,
      checkpointSeconds: this.#checkpointMs / 1000,
      healthy: !this.#trail.failing && this.#sinks.sound,
      open: !this.#closed,
      openedSeconds: (performance.timeOrigin + this.#openedAt) / 1000,
      oldestWaitingSeconds: since === undefined ? 0 : (performance.now() - since) / 1000,
      diskFreeBytes: this.#reserve.freeBytes,
      reserveBytes: this.#reserve.bytes ?? NaN,
    };
  }
}

function dayOf(unixMs: number): number {
  return Math.floor(unixMs / DAY_MS);
}
