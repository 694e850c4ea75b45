/**
 * When to write and when to sync. Records are written as they come, and one sync serves all that were written before it began:
 * a promise is resolved by a sync that started after its record was in the file.
 */
import { performance } from "node:perf_hooks";
import { asWriteError, AuditWriteError } from "./errors.ts";
import { Pace } from "./pace.ts";
import type { AuditReceipt, Pending, Waiter } from "./pending.ts";
import type { Draft } from "./record.ts";
import type { Trail } from "./trail.ts";

/**
 * Denials are in the file when `emit` returns, and so are the first records of a turn of the event loop: they survive the process
 * whatever happens next. The rest of a crowd is written together at the end of the turn, for one call instead of many; and so is all
 * of a turn that follows one with a crowd.
 */
const WRITTEN_AT_ONCE_MAX = 4;

export interface CommitterOptions {
  readonly trail: Trail;
  readonly flushed: (seconds: number) => void;
  /** A record that is not durable; its caller is told after this. */
  readonly failed: (draft: Draft, failure: AuditWriteError) => void;
}

interface Flush {
  readonly size: number;
  readonly resolve: () => void;
  readonly reject: (failure: AuditWriteError) => void;
}

export class Committer {
  readonly #options: CommitterOptions;
  readonly #trail: Trail;
  readonly #pace = new Pace();
  #flushes: Flush[] = [];
  #scheduled = false;
  #inTurn = 0;
  #turnMs = 0;
  #atOnceMax = WRITTEN_AT_ONCE_MAX;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#trail = options.trail;
  }

  /** A rejection that nobody waits for does not end the process: the record has been counted and logged as lost. */
  emit(draft: Draft): Promise<AuditReceipt> {
    const promised = new Promised();
    if (this.#trail.takes(draft)) this.#take({ draft, sinceMs: this.#turn(), waiter: promised });
    else promised.reject(this.#noRoom(draft));
    return promised.receipt;
  }

  emitSync(draft: Draft): AuditReceipt {
    if (!this.#trail.takes(draft)) throw this.#noRoom(draft);
    let receipt: AuditReceipt | undefined;
    let failure: AuditWriteError | undefined;
    this.#trail.queue({ draft, waiter: { resolve: (got) => { receipt = got; }, reject: (why) => { failure = why; } } });
    this.#commitNow();
    if (receipt !== undefined) return receipt;
    throw failure ?? asWriteError(new Error("no sync took place"), "the audit record is not durable");
  }

  /** Resolves when all that was emitted before is durable; rejects when some of it could not be made so. */
  flush(): Promise<void> {
    this.#write();
    if (this.#trail.unsynced === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#flushes.push({ size: this.#trail.size, resolve, reject });
      this.#schedule();
    });
  }

  flushSync(): void {
    const failure = this.#commitNow();
    if (failure !== undefined) throw failure;
  }

  #noRoom(draft: Draft): AuditWriteError {
    const failure = new AuditWriteError("enospc", "the audit trail's disk is full; until it has room again no event is recorded");
    this.#trail.lost(draft);
    this.#options.failed(draft, failure);
    this.#trail.tellLosses();
    if (this.#trail.unsynced > 0) this.#schedule();
    return failure;
  }

  #take(pending: Pending): void {
    this.#trail.queue(pending);
    this.#inTurn += 1;
    if (pending.draft.severity !== "INFO" || this.#inTurn <= this.#atOnceMax) this.#write();
    this.#schedule();
  }

  /** When this turn's first record came. */
  #turn(): number {
    if (this.#inTurn === 0) {
      this.#turnMs = performance.now();
      queueMicrotask(() => { this.#endTurn(); });
    }
    return this.#turnMs;
  }

  #endTurn(): void {
    this.#atOnceMax = this.#inTurn > WRITTEN_AT_ONCE_MAX ? 0 : WRITTEN_AT_ONCE_MAX;
    this.#inTurn = 0;
    this.#write();
  }

  #write(): void {
    try {
      this.#trail.write();
    } catch (failure) {
      this.#reject(this.#trail.takeQueue(), failure, true);
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#trail.syncing) return;
    this.#scheduled = true;
    setImmediate(() => { this.#commit(); });
  }

  #commit(): void {
    this.#scheduled = false;
    if (this.#trail.syncing) return;
    if (this.#pace.slow) this.#commitLater();
    else this.#commitNow();
  }

  #commitNow(): AuditWriteError | undefined {
    this.#write();
    if (this.#trail.unsynced === 0) return undefined;
    const start = performance.now();
    try {
      this.#trail.sync();
    } catch (failure) {
      return this.#notSynced(failure);
    }
    this.#synced(start);
    return undefined;
  }

  #commitLater(): void {
    this.#write();
    if (this.#trail.unsynced === 0) return;
    const start = performance.now();
    this.#trail.syncLater((failure) => {
      if (failure === undefined) this.#synced(start);
      else this.#notSynced(failure);
      this.#goOn(failure === undefined);
    });
  }

  /** What came while the sync ran could not ask for its own. After a failure only new records try again, or it would never end. */
  #goOn(well: boolean): void {
    if (this.#trail.queued > 0 || (well && this.#trail.unsynced > 0)) this.#schedule();
  }

  #synced(start: number): void {
    const ms = performance.now() - start;
    this.#pace.took(ms);
    this.#options.flushed(ms / 1000);
    if (this.#flushes.length === 0) return;
    const durable = this.#trail.size - this.#trail.unsynced;
    const done = this.#flushes.filter(({ size }) => size <= durable);
    this.#flushes = this.#flushes.filter(({ size }) => size > durable);
    for (const flush of done) flush.resolve();
  }

  #notSynced(failure: unknown): AuditWriteError {
    const error = asWriteError(failure, "the audit trail could not be made durable");
    this.#reject(this.#trail.takeWaiting(), error, false);
    for (const flush of this.#flushes.splice(0)) flush.reject(error);
    return error;
  }

  /** `gone`: not a byte of them is promised to anyone; otherwise they stand in a file and will be written again. */
  #reject(records: readonly Pending[], failure: unknown, gone: boolean): void {
    const error = asWriteError(failure, "the audit record could not be written");
    for (const { draft, waiter } of records) {
      if (gone) this.#trail.lost(draft);
      this.#options.failed(draft, error);
      waiter?.reject(error);
    }
  }
}

/** Marks its promise as handled only where it rejects: for each record that would cost as much as the promise itself. */
class Promised implements Waiter {
  readonly receipt: Promise<AuditReceipt>;
  resolve!: (receipt: AuditReceipt) => void;
  #reject!: (failure: AuditWriteError) => void;

  constructor() {
    this.receipt = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.#reject = reject;
    });
  }

  reject(failure: AuditWriteError): void {
    this.receipt.catch(() => undefined);
    this.#reject(failure);
  }
}
