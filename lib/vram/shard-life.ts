/** The life of one sealed model: owns its memory, runs its checks, and records what they find and its end. */
import { setMaxListeners } from "node:events";
import { native } from "../native.ts";
import type { NativeControl, NativeModel } from "../native.ts";
import { Slots } from "../slots.ts";
import { internalVramError, VramError, vramError } from "./errors.ts";
import { evidenceOf } from "./evidence.ts";
import type { Evidence } from "./evidence.ts";
import { failing, findingsOf } from "./findings.ts";
import type { Finding, SealedFacts } from "./findings.ts";
import type { SealedState, VramMetrics } from "./metrics.ts";
import type { NativeBook, NativeChecked, NativeFreed, NativeScrub, NativeScrubStep, NativeShard, NativeVramFailure } from "./native.ts";
import type { ParsedCheck } from "./options.ts";
import type { OnViolation } from "./policy.ts";
import { failureEvent, findingEvent, freedEvents, record, recordError, recordOutcome, scrubbedEvent, verifiedEvent } from "./trail.ts";
import type { Recorder, Subject } from "./trail.ts";

/** Each has a thread; on the device they take turns, slice by slice. */
const CHECKS_AT_ONCE = 4;

/** Why a shard's life ended. */
export type ShardEnd = "disposed" | "loader disposed" | "garbage collected" | "seal broken";

export interface ShardContext {
  readonly recorder: Recorder;
  readonly subject: Subject;
  readonly sealed: SealedFacts;
  readonly onViolation: OnViolation;
  readonly metrics: VramMetrics;
  /** Called once, when the memory is free. */
  readonly onEnd: (life: ShardLife) => void;
}

export class ShardLife {
  readonly #native: NativeShard;
  readonly #context: ShardContext;
  readonly #slots = new Slots(CHECKS_AT_ONCE);
  readonly #ending = new AbortController();
  readonly #broken = new AbortController();
  #sealed: SealedFacts;
  #scrubCoverage: number | undefined;
  #verifiedMs = Date.now();
  #end: Promise<void> | undefined;

  constructor(held: NativeShard, context: ShardContext) {
    this.#native = held;
    this.#context = context;
    this.#sealed = context.sealed;
    // Every check listens; there may be as many as the host likes.
    setMaxListeners(0, this.#ending.signal);
    context.metrics.added(this.#state);
  }

  get ended(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Aborts with the first violation that a check finds. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  /** Aborts when the life ends. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  get sizeBytes(): number {
    return this.#sealed.sizeBytes;
  }

  async check({ ask, signal }: ParsedCheck): Promise<Evidence> {
    return this.#checked("vram.verify", signal, (control) => this.#native.verify(ask, control));
  }

  /** Holds random tiles against those of the file, which is read again. */
  async spotCheck(files: readonly NativeModel[], p: number, signal: AbortSignal | undefined): Promise<Evidence> {
    return this.#checked("vram.verify", signal, (control) => this.#native.spotCheck(files, p, control));
  }

  /** A book of a broken seal is none: that is thrown, whatever the policy says. */
  async book(count: number, signal: AbortSignal | undefined): Promise<NativeBook["entries"]> {
    const { entries, evidence } = await this.#run("vram.book", signal, (control) => this.#native.book(count, control));
    const seen = evidenceOf(evidence ?? neither());
    const { findings, broken } = await this.#judged("vram.book", seen);
    if (broken !== undefined) throw broken;
    await this.#told("vram.book", seen, findings);
    return entries;
  }

  /** @throws VramError VRAM_HANDLE_STALE */
  tileValues(): readonly Uint8Array[] {
    if (this.ended) throw this.disposedError();
    return this.#native.tileValues();
  }

  /** @throws VramError VRAM_HANDLE_STALE */
  get pointers(): readonly (bigint | undefined)[] {
    if (this.ended) throw this.disposedError();
    return this.#native.pointers().map((pointer) => pointer ?? undefined);
  }

  /** @throws VramError VRAM_HANDLE_STALE */
  newScrub(dutyCycle: number): NativeScrub {
    if (this.ended) throw this.disposedError();
    return this.#native.newScrub(dutyCycle);
  }

  /** One step of a scrub; a whole pass is recorded. A broken promise is thrown, whatever the policy says: the scrub ends there. */
  async scrub(scrub: NativeScrub, budgetMs: number, signal: AbortSignal): Promise<NativeScrubStep & { readonly seen: Evidence | undefined }> {
    const step = await this.#run("vram.scrub", signal, (control) => scrub.step(budgetMs, control));
    const { metrics } = this.#context;
    // A pass that has just ended is whole, and the next one has not begun.
    this.#scrubCoverage = step.evidence === undefined ? step.coverage : 1;
    metrics.scrubbed(step.bytes);
    if (step.evidence === undefined) return { ...step, seen: undefined };
    const seen = evidenceOf(step.evidence);
    const { findings, broken } = await this.#judged("vram.scrub", seen);
    if (broken !== undefined) throw broken;
    this.#verifiedMs = Date.now();
    metrics.scrubCompleted();
    await recordOutcome(this.#context.recorder, [scrubbedEvent(this.#context.subject, this.#sealed, seen), ...this.#events("vram.scrub", findings)]);
    return { ...step, seen };
  }

  /** No scrub runs any more. */
  scrubStopped(): void {
    this.#scrubCoverage = undefined;
  }

  /** Stops checks, frees the memory and resolves when that is on disk. A second call waits for the first. */
  end(reason: ShardEnd): Promise<void> {
    this.#end ??= this.#finish(reason);
    return this.#end;
  }

  /** The same, blocking. After a call to {@link end} there is nothing left to do. */
  endSync(reason: ShardEnd): void {
    if (this.#end !== undefined) return;
    this.#end = Promise.resolve();
    this.#ending.abort("disposed");
    const { events, error } = this.#freed(this.#native.freeSync(), reason);
    const { audit, onAuditFailure } = this.#context.recorder;
    const failures: unknown[] = error === undefined ? [] : [error];
    for (const event of events) {
      try {
        audit?.emitSync(event);
      } catch (failure) {
        if (onAuditFailure === "refuse") failures.push(failure);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  disposedError(): VramError {
    const { deviceUuid } = this.#sealed;
    return new VramError("VRAM_HANDLE_STALE", { message: "this shard was disposed of; seal the model again", deviceUuid });
  }

  async #finish(reason: ShardEnd): Promise<void> {
    // A text, for an error would keep the frames that made it, with them the shard, and so itself for ever.
    this.#ending.abort("disposed");
    const freed = await this.#native.free().catch((bug: unknown): NativeFreed => ({ failure: asFailure(bug) }));
    const { events, error } = this.#freed(freed, reason);
    const { recorder } = this.#context;
    await record(recorder, events).catch((failure: unknown) => {
      if (recorder.onAuditFailure === "refuse") throw failure;
    });
    if (error !== undefined) throw error;
  }

  /** Memory that is lost with its device is free too, whatever its driver says. */
  #freed({ freedBytes = 0, failure }: NativeFreed, reason: ShardEnd) {
    const { subject, onEnd, metrics } = this.#context;
    const error = failure === undefined ? undefined : vramError(failure);
    metrics.removed(this.#state);
    onEnd(this);
    const lost = error === undefined ? undefined : failureEvent(subject, "vram.free", error, this.#names());
    const events = freedEvents(subject, this.#sealed.shardId, freedBytes, reason, error);
    return { error, events: lost === undefined ? events : [lost, ...events] };
  }

  async #checked(action: string, signal: AbortSignal | undefined, run: (control: NativeControl) => Promise<NativeChecked>): Promise<Evidence> {
    const startedMs = performance.now();
    const { evidence } = await this.#run(action, signal, run);
    const seen = evidenceOf(evidence ?? neither());
    const { metrics, onViolation } = this.#context;
    metrics.verified(seen, (performance.now() - startedMs) / 1000);
    const { findings, broken } = await this.#judged(action, seen);
    if (broken !== undefined && onViolation !== "event") throw broken;
    if (broken === undefined) await this.#told(action, seen, findings);
    return seen;
  }

  /** Records a check that found nothing broken. */
  async #told(action: string, evidence: Evidence, findings: readonly Finding[]): Promise<void> {
    // A file's digest is there where all its bytes were compared and right.
    if ((evidence.parts ?? [evidence]).every(({ content }) => content.root !== undefined)) this.#verifiedMs = Date.now();
    const { subject, recorder } = this.#context;
    await recordOutcome(recorder, [verifiedEvent(subject, action, this.#sealed.shardId, evidence), ...this.#events(action, findings)]);
  }

  /** Runs one check in its turn. A failure is recorded, then thrown. */
  async #run<C extends NativeChecked>(action: string, asked: AbortSignal | undefined, run: (control: NativeControl) => Promise<C>): Promise<C> {
    const signal = asked === undefined ? this.ending : AbortSignal.any([this.ending, asked]);
    if (!(await this.#slots.take(signal))) throw this.#stopped(signal);
    const control = native.newControl();
    const stop = (): void => { control.cancel(); };
    signal.addEventListener("abort", stop, { once: true });
    try {
      // The shard may have been disposed between the slot and this line.
      if (signal.aborted) throw this.#stopped(signal);
      const checked = await run(control);
      if (checked.failure !== undefined) throw await this.#failed(action, checked.failure, signal);
      return checked;
    } catch (failure) {
      throw internalVramError(failure);
    } finally {
      signal.removeEventListener("abort", stop);
      this.#slots.give();
    }
  }

  async #failed(action: string, failure: NativeVramFailure, signal: AbortSignal): Promise<VramError> {
    const error = vramError(failure, signal.reason);
    if (error.code === "VRAM_ABORTED" || error.code === "VRAM_HANDLE_STALE") return this.#stopped(signal);
    const { recorder, subject, metrics } = this.#context;
    await recordError(recorder, error, [failureEvent(subject, action, error, this.#names())]);
    metrics.failed(error);
    // A file that changed says nothing of the memory.
    if (error.severity === "CRITICAL" && error.code !== "VRAM_FILE_CHANGED") this.#broken.abort(error);
    return error;
  }

  /** What the evidence shows broken is recorded before anybody hears of it. */
  async #judged(action: string, evidence: Evidence): Promise<{ readonly findings: readonly Finding[]; readonly broken?: VramError }> {
    const findings = findingsOf(evidence, this.#sealed);
    const { metrics, recorder, onViolation } = this.#context;
    metrics.seen(evidence.deviceUuid, evidence.accounting.freeBytes);
    for (const { type } of findings) metrics.violated(type);
    this.#sealed = { ...this.#sealed, eccUncorrected: evidence.accounting.eccUncorrected ?? this.#sealed.eccUncorrected };
    const [worst] = failing(findings);
    if (worst === undefined) return { findings };
    const error = new VramError(worst.code, { message: worst.message, deviceUuid: evidence.deviceUuid, part: worst.part, evidence });
    await recordError(recorder, error, this.#events(action, findings));
    this.#broken.abort(error);
    // What fails while the memory is freed has been recorded; the broken seal is what the caller must hear of.
    if (onViolation === "free") void this.end("seal broken").catch(() => undefined);
    return { findings, broken: error };
  }

  #events(action: string, findings: readonly Finding[]) {
    return findings.map((finding) => findingEvent(this.#context.subject, action, finding));
  }

  #names(): { readonly shardId: string; readonly digest: string; readonly bytes: number } {
    const { shardId, root, sizeBytes } = this.#sealed;
    return { shardId, digest: root, bytes: sizeBytes };
  }

  #stopped(signal: AbortSignal): VramError {
    if (this.ended) return this.disposedError();
    return new VramError("VRAM_ABORTED", { message: "the check was aborted", deviceUuid: this.#sealed.deviceUuid, cause: signal.reason });
  }

  readonly #state = (): SealedState => ({
    deviceUuid: this.#sealed.deviceUuid,
    bytes: this.sizeBytes,
    scrubCoverage: this.#scrubCoverage,
    verifiedSeconds: this.#verifiedMs / 1000,
  });
}

function neither(): never {
  throw internalVramError(new Error("a check gave neither evidence nor a failure"));
}

function asFailure(bug: unknown): { code: string; message: string } {
  const { code, message } = internalVramError(bug);
  return { code, message };
}
