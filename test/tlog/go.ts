/** The Go programs beside this file: a verifier and a witness, built from modules that others wrote. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess, SpawnSyncReturns } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("go/", import.meta.url));
const USUAL_PLACE = "/usr/local/go/bin/go";

export interface GoTools {
  readonly folder: string;
  /** Why there are none; then the tests that need them are skipped, with this reason. */
  readonly missing?: string;
}

/** Without Go or its module nothing can be compared; a program that does not compile is an error of ours. */
export function buildGoTools(): GoTools {
  const folder = mkdtempSync(join(tmpdir(), "model-loader-go-"));
  const command = existsSync(USUAL_PLACE) ? USUAL_PLACE : "go";
  if (go(command, ["version"]).status !== 0) return { folder, missing: "Go is not installed" };
  const download = go(command, ["mod", "download"]);
  if (download.status !== 0) return { folder, missing: `the Go module cannot be had: ${download.stderr}` };
  const build = go(command, ["build", "-mod=readonly", "-o", `${folder}/`, "./..."]);
  if (build.status !== 0) throw new Error(`the Go programs do not build: ${build.stderr}`);
  return { folder };
}

export function removeGoTools({ folder }: GoTools): void {
  rmSync(folder, { recursive: true, force: true });
}

function go(command: string, args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(command, args, { cwd: SOURCE, encoding: "utf8", env: { ...process.env, GOTOOLCHAIN: "local" } });
}

export interface Asked {
  readonly do: "note" | "sign" | "inclusion" | "consistency" | "stored" | "grown" | "bundle";
  readonly [more: string]: string | number | readonly string[];
}

export interface Answered {
  readonly ok: boolean;
  readonly value: string;
  readonly error?: string;
}

/** One process that answers in the order in which it is asked. */
export class GoVerifier {
  readonly #child: ChildProcess & { stdin: Writable; stdout: Readable };
  readonly #waiting: ((answer: Answered) => void)[] = [];

  constructor({ folder }: GoTools) {
    this.#child = spawn(join(folder, "verify"), { stdio: ["pipe", "pipe", "inherit"] });
    createInterface(this.#child.stdout).on("line", (line) => this.#waiting.shift()?.(JSON.parse(line) as Answered));
  }

  ask(request: Asked): Promise<Answered> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    });
  }

  close(): void {
    this.#child.stdin.end();
  }
}

export interface GoWitness {
  readonly url: string;
  readonly vkey: string;
  close(): void;
}

export async function startGoWitness({ folder }: GoTools, logKey: string, origin: string, name: string): Promise<GoWitness> {
  const child = spawn(join(folder, "witness"), [logKey, origin, name], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const url = await lines.next();
  const vkey = await lines.next();
  return { url: String(url.value), vkey: String(vkey.value), close: () => { child.stdin.end(); } };
}
