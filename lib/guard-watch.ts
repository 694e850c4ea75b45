/** Looks after the guard of one model until it breaks or the model's life ends. */
import type { GuardName } from "./guard.ts";
import type { NativeModel } from "./native.ts";

/** A look costs a microsecond; a demanded lease gives its holder 45 seconds by default after the break. */
const LOOK_EVERY_MS = 1000;

export class GuardWatch {
  readonly #native: NativeModel;
  readonly #onBreak: () => void;
  readonly #broken = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** What stands once nobody looks any more. */
  #last: GuardName;

  constructor(held: NativeModel, onBreak: () => void) {
    this.#native = held;
    this.#onBreak = onBreak;
    this.#last = held.guard();
    // The other guards cannot break while the descriptor is held.
    if (this.#last === "leased") this.#timer = setInterval(() => { this.look(); }, LOOK_EVERY_MS).unref();
    // It may have broken between the verdict and now.
    else if (held.guardBroken()) this.#break();
  }

  /** Aborts when the guard breaks. */
  get signal(): AbortSignal {
    return this.#broken.signal;
  }

  /** The guard as it is now; after the end of the model's life, as it was then. */
  look(): GuardName {
    if (this.#timer === undefined) return this.#last;
    this.#last = this.#native.guard();
    if (this.#last !== "leased") this.#break();
    return this.#last;
  }

  /** The last look, to be called before the descriptor is closed. */
  end(): void {
    this.look();
    this.#stop();
  }

  #break(): void {
    this.#stop();
    const message = "the lease on the model's file was broken: somebody asked to write to it";
    this.#onBreak();
    this.#broken.abort(Object.assign(new Error(message), { code: "GUARD_BROKEN" }));
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
