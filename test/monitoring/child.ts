/** A server process of a test: it says when it listens, and it never outlives the test for long. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

const LIFE_SECONDS_MAX = 120;
const READY_MS_MAX = 30_000;
/** prometheus and alertmanager both say which port the kernel gave them. */
const LISTENING = /msg="Listening on" address=127\.0\.0\.1:(\d+)/u;

export class Child implements AsyncDisposable {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: string) {
    this.#process = process;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Resolves once it listens; rejects with what it said instead. */
  static async start(command: readonly string[]): Promise<Child> {
    const child = spawn("timeout", ["--kill-after=5", String(LIFE_SECONDS_MAX), ...command], { stdio: ["ignore", "ignore", "pipe"] });
    try {
      return new Child(child, await portOf(child));
    } catch (failure) {
      child.kill();
      throw failure;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    this.#process.kill();
    await exit;
  }
}

function portOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const give = (why: string): void => { reject(new Error(`${child.spawnargs.join(" ")} ${why}:\n${said}`)); };
    const late = setTimeout(() => { give("does not listen"); }, READY_MS_MAX);
    child.once("error", reject);
    child.once("exit", () => { give("ended"); });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-10_000);
      const port = LISTENING.exec(said)?.[1];
      if (port === undefined) return;
      clearTimeout(late);
      resolve(port);
    });
  });
}
