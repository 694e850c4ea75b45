/** The other process: attacker.c, compiled when it is needed and started for one attack. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("attacker.c", import.meta.url));

/** The attacker's exit code for what this kernel does not have. */
const UNABLE = 75;

export interface Strokes {
  readonly done: number;
  readonly heldOff: number;
}

/** Every Rust toolchain links with a C compiler, so there is one wherever this project was built. */
export class Attacker {
  readonly #folder = mkdtempSync(join(tmpdir(), "attacker-"));
  readonly #program = join(this.#folder, "attacker");

  constructor() {
    const { status, error, stderr } = spawnSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", this.#program, SOURCE], { encoding: "utf8" });
    if (status !== 0) throw new Error(`attacker.c was not compiled: ${error?.message ?? stderr}`);
  }

  /** Runs `work` while the attack goes on; how often it struck. */
  async during(attack: readonly string[], work: () => Promise<void>): Promise<Strokes> {
    const child = spawn(this.#program, attack, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    try {
      await heard(lines, child);
      await work();
      child.stdin.end();
      const [done, heldOff] = (await heard(lines, child)).split(" ").map(Number);
      return { done: done ?? 0, heldOff: heldOff ?? 0 };
    } finally {
      child.kill("SIGKILL");
    }
  }

  /** Whether the attack can be made on this machine. */
  can(attack: readonly string[]): boolean {
    return spawnSync(this.#program, attack, { input: "" }).status !== UNABLE;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

async function heard(lines: AsyncIterator<string>, child: ChildProcess): Promise<string> {
  const line = await lines.next();
  if (line.done !== true) return line.value;
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  throw new Error(`the attacker ended early, with ${child.signalCode ?? child.exitCode ?? "nothing"}`);
}
