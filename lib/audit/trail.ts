/**
 * The chain on disk: gives records their numbers, writes them to the current segment, and goes on in a new one when that fails.
 *
 * Rules that verification relies on:
 * - A record has its number once its whole line (with the newline) is in a file. A line that was cut short has none, and the
 *   next record takes the number: the chain has no gaps.
 * - A file in which a write or a sync failed is never written again. Every record that was not yet known to be durable is
 *   written once more, the same bytes, to the next segment, which is named after the first of them. So the only overlap
 *   between two segments is: the later one begins with the very lines that the earlier one ends with.
 * - Bytes after the last whole line of a segment are no record. The next segment describes them (offset, length, digest) after
 *   the repeated records and before any new event.
 * - Every segment but the first names its predecessor in one of its first records (rotated, abandoned or recovered). Where a crash
 *   came before that, recovery finishes the work.
 * - A file that was deleted or renamed under us still has its bytes: they are copied to a new segment of the same number.
 */
import type { Chain } from "./chain.ts";
import { AuditWriteError, asWriteError, TamperedError } from "./errors.ts";
import type { AuditEvent, AuditEventType } from "./events.ts";
import type { DurableRecord } from "./follower.ts";
import { carriedLine, chained } from "./line.ts";
import type { CarriedLine, Line } from "./line.ts";
import { Owed } from "./owed.ts";
import { Patience } from "./patience.ts";
import type { Pending } from "./pending.ts";
import type { Draft } from "./record.ts";
import type { Reserve } from "./reserve.ts";
import { abandoned, diskFull, rotated, spaceRestored } from "./segment-events.ts";
import type { RotationReason } from "./segment-events.ts";
import { Segment } from "./segment.ts";
import type { Place } from "./segment.ts";
import { Unsynced } from "./unsynced.ts";

const WRITE_FAILED = "the audit record could not be written";
/** What the reserve's space is for, beside the records that the trail owes by itself. */
const ON_FULL_DISK: ReadonlySet<AuditEventType> = new Set(["AuditClosed", "AuditPruned"]);

export interface TrailOptions {
  readonly place: Place;
  readonly reserve: Reserve;
  /** UTC's day as a whole number; absent where segments end by their size alone. */
  readonly today?: (() => number) | undefined;
  /** The day of the resumed segment's last record. */
  readonly resumedDay?: number | undefined;
  /** A segment is complete, and the next one is begun. */
  readonly rotated: () => void;
  /** Where the chain goes on. */
  readonly next: number;
  readonly head: string;
  readonly chain: Chain;
  /** Records about the trail itself. */
  readonly draft: (event: AuditEvent) => Draft;
  readonly syncFailed: (failure: AuditWriteError, waiting: readonly Pending[]) => void;
  /** Records that have just become durable, each once and in order; their callers hear of it after this. */
  readonly durable: (records: readonly DurableRecord[]) => void;
  readonly warn: (failure: unknown, message: string) => void;
}

export class Trail {
  readonly #options: TrailOptions;
  #next: number;
  #head: string;
  #segment: Segment | undefined;
  /** A segment whose name is gone: its bytes still have to be copied. */
  #rescue: Segment | undefined;
  readonly #queue: Pending[] = [];
  readonly #owed: Owed;
  readonly #unsynced = new Unsynced();
  #running: Segment | undefined;
  /** A new file that took nothing yet, because the disk was full. */
  #spare: Segment | undefined;
  #day: number | undefined;
  #failures = 0;
  readonly #patience = new Patience();

  constructor(options: TrailOptions, resumed: Segment | undefined) {
    this.#options = options;
    this.#owed = new Owed(options.draft);
    this.#next = options.next;
    this.#head = options.head;
    this.#segment = resumed;
    this.#day = options.resumedDay ?? options.today?.();
  }

  /** Records that have a place in the chain. */
  get size(): number {
    return this.#next;
  }

  get head(): string {
    return this.#head;
  }

  /** Records whose callers still wait, written or not. */
  get waiting(): number {
    return this.#queue.length + this.#unsynced.count;
  }

  /** When the caller who has waited longest began to wait. */
  get waitingSinceMs(): number | undefined {
    return (this.#unsynced.oldest ?? this.#queue[0])?.sinceMs;
  }

  /** The file that is written; undefined after a failure. */
  get segmentName(): string | undefined {
    return this.#segment?.name;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Records in a file that no sync has covered yet. */
  get unsynced(): number {
    return this.#unsynced.count;
  }

  get syncing(): boolean {
    return this.#running !== undefined;
  }

  /** The last write or sync failed, and none has succeeded since; or the disk is full and only the trail's own records are taken. */
  get failing(): boolean {
    return this.#failures > 0 || this.#options.reserve.isSpent;
  }

  /** False for an event while the disk is full: the reserve's space must last for what the trail has to say. */
  takes(draft: Draft): boolean {
    return ON_FULL_DISK.has(draft.type) || this.hasRoom();
  }

  /** Looks whether a disk that was full has room again; the next record then comes behind one that says so. */
  hasRoom(): boolean {
    const { reserve } = this.#options;
    if (!reserve.isSpent) return true;
    if (!reserve.regain()) return false;
    this.#owed.lossesOver();
    this.owe(spaceRestored());
    return true;
  }

  queue(pending: Pending): void {
    this.#queue.push(pending);
  }

  /** A record about the trail: it goes before the next event, whenever that can be written. */
  owe(event: AuditEvent): void {
    this.#owed.add(event);
  }

  /** Lines of an earlier run that its last segment still lacks; the next segment begins with them. */
  carry(lines: readonly CarriedLine[]): void {
    for (const { seq, leaf, text } of lines) this.#unsynced.push(carriedLine(seq, leaf, text));
  }

  /** An event that got no record; the trail says so as soon as it can. */
  lost(draft: Draft): void {
    this.#owed.lost(draft);
  }

  /** On a full disk nothing else is written; the trail says from time to time how many events were refused. */
  tellLosses(): void {
    if (!this.#owed.isDue) return;
    try {
      this.#attempt();
    } catch (failure) {
      this.#abandon(failure);
      this.#options.warn(failure, "the number of lost events could not be recorded");
    }
  }

  /** Writes what is queued, in a new segment where the current one fails. Throws when that fails too; the queue holds the rest. */
  write(): void {
    if (this.#queue.length === 0) return;
    try {
      this.#attempt();
    } catch (failure) {
      const room = this.#makeRoom(failure);
      if (!this.#abandon(failure) && !room) throw asWriteError(failure, WRITE_FAILED);
      this.#attemptAgain();
    }
  }

  /** What could not be written; it has taken no numbers. */
  takeQueue(): Pending[] {
    return this.#queue.splice(0);
  }

  /** Makes everything written durable, or throws. Their callers are told on success. */
  sync(): void {
    if (this.#segment === undefined) {
      this.#restart();
      return;
    }
    if (this.#unsynced.count === 0) return;
    try {
      this.#segment.sync();
    } catch (failure) {
      this.#syncFailed(failure);
      return;
    }
    this.#durable(this.#unsynced.lines.length);
  }

  /** The same on the thread pool; at most one at a time. `done` is called when everything is settled, with what failed. */
  syncLater(done: (failure: unknown) => void): void {
    const segment = this.#segment;
    const count = this.#unsynced.lines.length;
    if (segment === undefined) {
      done(attempt(() => { this.#restart(); }));
      return;
    }
    this.#running = segment;
    segment.syncLater((failure) => {
      this.#running = undefined;
      // A segment that was given up meanwhile has nothing left to say: its records stand in the next one.
      done(segment === this.#segment ? attempt(() => { this.#synced(segment, count, failure); }) : undefined);
    });
  }

  /** Callers of records that are written but could not be synced; the records stay and are written again when that works. */
  takeWaiting(): Pending[] {
    return this.#unsynced.takeWaiting();
  }

  close(): void {
    for (const segment of [this.#segment, this.#rescue, this.#spare]) segment?.close();
    this.#segment = undefined;
    this.#rescue = undefined;
    this.#spare = undefined;
  }

  #attempt(): void {
    this.#ready();
    this.#drainOwed(this.#segment);
    this.#drain(this.#queue, this.#segment);
  }

  #attemptAgain(): void {
    try {
      this.#attempt();
    } catch (failure) {
      this.#abandon(failure);
      throw asWriteError(failure, WRITE_FAILED);
    }
  }

  /** Once for each time that the disk is full. */
  #makeRoom(failure: unknown): boolean {
    if (asWriteError(failure, WRITE_FAILED).reason !== "enospc" || !this.#options.reserve.release()) return false;
    this.owe(diskFull(failure));
    return true;
  }

  #ready(): void {
    if (this.#segment === undefined) this.#restart();
    else if (!this.syncing) this.#rotateWhereDue(this.#segment);
  }

  #rotateWhereDue(segment: Segment): void {
    const day = this.#options.today?.();
    if (segment.whole >= this.#options.place.segmentBytes) this.#rotate(segment, "size");
    else if (day !== undefined && day !== this.#day && segment.whole > 0) this.#rotate(segment, "day");
    this.#day = day;
  }

  /** Gives the records their places and writes them in one go; whole lines leave `list`, the rest stays. */
  #drain(list: Pending[], segment: Segment | undefined): void {
    if (list.length === 0 || segment === undefined) return;
    const { lines, bytes } = chained(list, this.#next, this.#head, this.#options.chain);
    const before = segment.whole;
    const failure = segment.append(bytes);
    const written = this.#accept(lines, segment.whole - before);
    if (written === list.length) list.length = 0;
    else list.splice(0, written);
    if (failure !== undefined) throw failure;
  }

  #drainOwed(segment: Segment | undefined): void {
    this.#drain(this.#owed.due(), segment);
    this.#owed.paid();
  }

  /** Takes the lines that are whole in the file, and says how many. */
  #accept(lines: readonly Line[], bytes: number): number {
    let count = 0;
    for (const line of lines) {
      if (line.end > bytes) break;
      count += 1;
      this.#next = line.seq + 1;
      this.#head = line.leaf;
      this.#unsynced.push(line);
    }
    return count;
  }

  /** A new file of its final name; the old one is complete and durable before the new one exists. */
  #rotate(full: Segment, why: RotationReason): void {
    full.sync();
    this.#durable(this.#unsynced.lines.length);
    try {
      this.#segment = Segment.create(this.#options.place, this.#next);
    } catch (failure) {
      this.#options.warn(failure, "the audit trail goes on in a segment above its size: no new one could be made");
      return;
    }
    full.close();
    this.#owed.addFirst(rotated(full, why));
    this.#options.rotated();
  }

  /** A new segment with all that is not durable, and the reason why it was needed, on disk before anything else is accepted. */
  #restart(): void {
    if (this.#patience.isSpent) {
      throw new AuditWriteError("poisoned", "the audit trail cannot be written, and it is not yet time to try a new file");
    }
    const segment = this.#newSegment(this.#rescue?.first ?? this.#unsynced.lines[0]?.seq ?? this.#next);
    try {
      this.#refill(segment);
      this.#drainOwed(segment);
      segment.sync();
    } catch (failure) {
      this.#discard(segment, failure);
      throw asWriteError(failure, "the audit trail could not go on in a new file");
    }
    this.#rescue?.close();
    this.#rescue = undefined;
    this.#segment = segment;
    this.#durable(this.#unsynced.lines.length);
  }

  #newSegment(first: number): Segment {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare?.first === first) return spare;
    spare?.close();
    return Segment.create(this.#options.place, first);
  }

  #refill(segment: Segment): void {
    if (this.#rescue !== undefined) {
      segment.copyFrom(this.#rescue);
      return;
    }
    const failure = segment.append(this.#unsynced.bytes);
    if (failure !== undefined) throw failure;
  }

  #synced(segment: Segment, count: number, failure: Error | undefined): void {
    try {
      if (failure !== undefined) throw failure;
      segment.check();
    } catch (reason) {
      this.#syncFailed(reason);
      return;
    }
    this.#durable(count);
  }

  /** After a failed sync the kernel may call the same pages clean: only a new file can be trusted. */
  #syncFailed(failure: unknown): void {
    const error = asWriteError(failure, "the audit trail could not be synced");
    this.#options.syncFailed(error, this.#unsynced.lines);
    this.#makeRoom(failure);
    this.#abandon(failure);
    this.#restart();
  }

  /** True where another file may do better. */
  #abandon(failure: unknown): boolean {
    const segment = this.#segment;
    this.#failures += 1;
    if (segment === undefined) return false;
    this.#segment = undefined;
    if (this.#running !== segment && !segment.suspect) this.#settle(segment);
    this.#discard(segment, failure);
    return this.#spare === undefined;
  }

  /** A full disk refuses new bytes but keeps the old ones: those that reached the file are made durable where they are. */
  #settle(segment: Segment): void {
    if (this.#unsynced.lines.length === 0) return;
    try {
      segment.sync();
    } catch (failure) {
      this.#options.warn(failure, "the failed segment could not be synced; its last records are written again");
      return;
    }
    this.#durable(this.#unsynced.lines.length);
  }

  #discard(segment: Segment, failure: unknown): void {
    this.#failures += 1;
    // Nothing is in it and nothing was: it can take the next try, and a full disk is not filled with empty files.
    if (segment.written === 0 && !segment.suspect) {
      this.#spare = segment;
      return;
    }
    this.owe(abandoned(segment, failure));
    this.#patience.wasted();
    if (failure instanceof TamperedError && failure.tampering === "unlinked" && this.#rescue === undefined) this.#rescue = segment;
    else segment.close();
  }

  #durable(count: number): void {
    this.#failures = 0;
    this.#patience.worked();
    // While a sync is under way on this file, its failure would take all of them along: keep them until it is over.
    const done = this.#unsynced.confirm(count, this.syncing && this.#running === this.#segment);
    if (done.length > 0) this.#options.durable(done);
    for (const entry of done) {
      const { waiter } = entry;
      entry.waiter = undefined;
      waiter?.resolve({ seq: entry.seq, leafHash: entry.leaf });
    }
  }
}

function attempt(action: () => void): unknown {
  try {
    action();
    return undefined;
  } catch (failure) {
    return failure;
  }
}
