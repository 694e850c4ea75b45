/** The two streams: results on standard output, everything else on standard error. */
import { EXIT } from "./exit.ts";
import type { Interrupt } from "./interrupt.ts";
import { jsonLine } from "./terminal.ts";

export class Output {
  readonly json: boolean;
  #broken = false;
  #left = false;

  /** @param interrupt stopped when nobody can read the results any more */
  constructor(json: boolean, interrupt?: Interrupt) {
    this.json = json;
    process.stdout.on("error", (failure: NodeJS.ErrnoException) => { this.#lost(failure, interrupt); });
    // Nobody reads what we have to say: that is theirs to choose.
    process.stderr.on("error", () => undefined);
  }

  /** One result: an object for programs, or its text for people. */
  result(object: object, text: () => string): void {
    if (this.#broken) return;
    process.stdout.write(`${this.json ? jsonLine(object) : text()}\n`);
  }

  /** Text as it is; resolves when there is room for more, so that a slow reader does not fill our memory. */
  async raw(text: string): Promise<void> {
    if (this.#broken || process.stdout.write(text)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        process.stdout.off("drain", done).off("close", done).off("error", done);
        resolve();
      };
      process.stdout.on("drain", done).on("close", done).on("error", done);
    });
  }

  /** A remark for people; never part of the results. */
  note(text: string): void {
    if (!this.#left) process.stderr.write(`${text}\n`);
  }

  /** The reader of a pipe may leave (`| head -1`), quietly; a full disk must be told. */
  #lost(failure: NodeJS.ErrnoException, interrupt: Interrupt | undefined): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#left = failure.code === "EPIPE";
    this.note(`model-loader: the results could not be written: ${failure.message}`);
    process.exitCode = this.#left ? EXIT.PIPE : EXIT.IO;
    interrupt?.stop(process.exitCode);
  }
}
