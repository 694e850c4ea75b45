/** Ctrl-C and its kin: the first stops the work cleanly, the second stops the process. */
import { constants } from "node:os";

// Not SIGHUP: a handler would undo nohup.
const SIGNALS = ["SIGINT", "SIGTERM"] as const;
type Caught = (typeof SIGNALS)[number];

/** Turns signals into an abort while it lives. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  #exitCode: number | undefined;
  readonly #listener = (name: NodeJS.Signals): void => {
    this.#on(name as Caught);
  };

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 128 + the signal's number, as shells report it; undefined where none came. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Stops the work for a reason of our own. */
  stop(exitCode: number): void {
    this.#exitCode ??= exitCode;
    this.#controller.abort(new Error("stopped"));
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#listener);
  }

  #on(name: Caught): void {
    const code = 128 + constants.signals[name];
    if (this.#controller.signal.aborted) process.exit(code);
    this.stop(code);
  }
}
