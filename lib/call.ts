/** One call to the loader while it runs: who asked for what, since when, and how to stop it. */
import type { Action } from "./metrics.ts";
import { native } from "./native.ts";
import type { NativeAsk, NativeControl, NativeProving } from "./native.ts";
import type { ParsedCall, Progress } from "./options.ts";
import { promisedByCaller } from "./promised.ts";
import type { Promised } from "./promised.ts";

/** At most 20 reports a second. */
const PROGRESS_EVERY_MS = 50;

export class Call {
  readonly action: Action;
  /** Raw bytes of the path as given; undefined for a buffer. */
  readonly path: Uint8Array | undefined;
  readonly options: ParsedCall;
  /** What the model must be; settled before it is opened. */
  promised: Promised;
  readonly control: NativeControl = native.newControl();
  readonly #startedMs = performance.now();
  readonly #stop = new AbortController();
  #progress: NodeJS.Timeout | undefined;

  constructor(action: Action, path: Uint8Array | undefined, options: ParsedCall) {
    this.action = action;
    this.path = path;
    this.options = options;
    this.promised = promisedByCaller(path, options);
    this.signal.addEventListener("abort", () => { this.control.cancel(); });
    if (options.signal?.aborted === true) this.#relay();
    else options.signal?.addEventListener("abort", this.#relay);
  }

  /** Aborts when the caller's signal does, or the loader is disposed. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  /** What is asked of one file; the loader knows where records lie and how many threads there are. */
  ask(loader: Omit<NativeProving, "flatAlways">): NativeAsk {
    const { judge } = this.options;
    const { sha256 } = this.promised;
    return {
      policy: judge.policy,
      minGuard: judge.minGuard,
      ...(judge.guard === "auto" ? {} : { guard: judge.guard }),
      proving: { ...loader, flatAlways: judge.flatAlways },
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(judge.maxBytes === undefined ? {} : { maxBytes: judge.maxBytes }),
    };
  }

  stop(reason: unknown): void {
    this.#stop.abort(reason);
  }

  /** Reports progress while `run` goes on, and once more at its end. */
  async watched<T>(run: () => Promise<T>): Promise<T> {
    const { onProgress } = this.options;
    if (onProgress === undefined) return run();
    this.#progress = setInterval(() => { this.#report(onProgress); }, PROGRESS_EVERY_MS).unref();
    try {
      const result = await run();
      this.#report(onProgress);
      return result;
    } finally {
      clearInterval(this.#progress);
    }
  }

  /** Lets go of the caller's signal, which may outlive many calls. */
  release(): void {
    this.options.signal?.removeEventListener("abort", this.#relay);
  }

  readonly #relay = (): void => {
    this.stop(this.options.signal?.reason);
  };

  /** A callback that throws stops its own call: thrown from a timer it would end the process. */
  #report(onProgress: (progress: Progress) => void): void {
    try {
      onProgress({ bytesDone: this.control.bytesDone(), bytesTotal: this.control.bytesTotal() });
    } catch (failure) {
      clearInterval(this.#progress);
      this.stop(failure);
    }
  }
}
