/** A scrub: goes over all tiles of a shard in the background, again and again, and tells what it finds. */
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { internalVramError } from "./errors.ts";
import type { VramError } from "./errors.ts";
import type { Evidence } from "./evidence.ts";
import type { NativeScrub } from "./native.ts";
import type { ParsedScrub } from "./options.ts";
import type { ShardLife } from "./shard-life.ts";

/** `bytes` and `seconds` of this step; `coverage`: the part of the running pass that is done, 0 to 1. */
export interface ScrubStep {
  readonly bytes: number;
  readonly seconds: number;
  readonly coverage: number;
  readonly passes: number;
}

/** Why a scrub came to its end. */
export type ScrubEnd = "stopped" | "disposed" | "failed";

export interface ScrubEvents {
  step: [step: ScrubStep];
  /** A whole pass; `passes` counts it. */
  completed: [evidence: Evidence];
  /** Slow but correct: it goes on. */
  inconclusive: [evidence: Evidence];
  /** A broken promise or a failure; it stands recorded, and the scrub ends. */
  failed: [error: VramError];
  ended: [why: ScrubEnd];
}

/** A device that answers at once is not asked all the time, whatever the duty cycle says. */
const PAUSE_MIN_MS = 5;
/** Of setTimeout: longer ones become none at all. */
const PAUSE_MAX_MS = 2 ** 31 - 1;

export class Scrub extends EventEmitter<ScrubEvents> implements AsyncDisposable {
  /** Resolves when the scrub has ended, for whatever reason; never rejects. */
  readonly ended: Promise<ScrubEnd>;
  readonly #life: ShardLife;
  readonly #options: ParsedScrub;
  readonly #stop = new AbortController();
  readonly #native: NativeScrub;
  #coverage = 0;
  #passes = 0;

  /** @internal Made by a shard alone. */
  constructor(life: ShardLife, options: ParsedScrub) {
    super();
    this.#life = life;
    this.#options = options;
    this.#native = life.newScrub(options.dutyCycle);
    this.ended = this.#begin();
  }

  /** The part of the running pass that is done, 0 to 1. */
  get coverage(): number {
    return this.#coverage;
  }

  /** Whole passes so far. */
  get passes(): number {
    return this.#passes;
  }

  /** Resolves when no step runs any more. A second call waits as well. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #begin(): Promise<ScrubEnd> {
    const { signal } = this.#options;
    const signals = [this.#stop.signal, this.#life.ending, ...(signal === undefined ? [] : [signal])];
    const why = await this.#loop(AbortSignal.any(signals));
    this.#life.scrubStopped();
    this.#say(() => this.emit("ended", why));
    return why;
  }

  /** Listeners are added after the constructor: the first step comes in a later turn. */
  async #loop(signal: AbortSignal): Promise<ScrubEnd> {
    let restMs = 0;
    while (await rested(restMs, signal)) {
      try {
        const step = await this.#life.scrub(this.#native, this.#options.budgetMs, signal);
        this.#tell(step);
        restMs = step.restMs;
      } catch (failure) {
        if (signal.aborted) break;
        this.#say(() => this.emit("failed", internalVramError(failure)));
        return "failed";
      }
    }
    return this.#life.ended ? "disposed" : "stopped";
  }

  #tell({ bytes, seconds, coverage, passes, seen }: ScrubStep & { readonly seen: Evidence | undefined }): void {
    this.#coverage = coverage;
    this.#passes = passes;
    this.#say(() => this.emit("step", { bytes, seconds, coverage, passes }));
    if (seen === undefined) return;
    if (seen.verdict === "inconclusive") this.#say(() => this.emit("inconclusive", seen));
    this.#say(() => this.emit("completed", seen));
  }

  /** A listener that throws is the host's own uncaught exception, and no failure of the scrub. */
  #say(emit: () => boolean): void {
    queueMicrotask(emit);
  }
}

/** True after the rest; false where the signal came first. The rest keeps no process alive. */
async function rested(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(Math.min(PAUSE_MAX_MS, Math.max(PAUSE_MIN_MS, ms)), true, { signal, ref: false }).catch(() => false);
}
