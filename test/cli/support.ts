/** Folders of their own and the built command, run as a person runs it. */
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface Ended {
  /** Exit code, or the signal's name. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder that is removed after the test. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "model-loader-cli-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** The command's file; without a build there is nothing to test. */
export function command(): string {
  if (existsSync(MAIN)) return MAIN;
  throw new Error("dist/cli/main.js is missing: run node scripts/build.mjs first");
}

export function start(args: readonly string[], cwd?: string, env: NodeJS.ProcessEnv = process.env): ChildProcessByStdio<null, Readable, Readable> {
  const child = spawn(process.execPath, [command(), ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** Runs the command to its end. */
export async function cli(args: readonly string[], cwd?: string, env?: NodeJS.ProcessEnv): Promise<Ended> {
  return ended(start(args, cwd, env));
}

/** Runs a line of shell in which "$CLI" is the command. */
export async function shell(line: string, cwd: string): Promise<Ended> {
  const env = { ...process.env, CLI: command(), NODE: process.execPath, TERM: "xterm" };
  return ended(spawn("bash", ["-c", line], { cwd, env, stdio: ["ignore", "pipe", "pipe"] }));
}

export async function ended(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ended> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => void stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => void stderr.push(chunk));
  const code = await new Promise<number | string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => { resolve(status ?? signal ?? "unknown"); });
  });
  return { code, stdout: Buffer.concat(stdout).toString("utf8"), stderr: Buffer.concat(stderr).toString("utf8") };
}

/** Each line parsed; a line that is no JSON fails the test. */
export function lines(stdout: string): Record<string, unknown>[] {
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The only line. */
export function line(stdout: string): Record<string, unknown> {
  const [only, ...more] = lines(stdout);
  if (only === undefined || more.length > 0) throw new Error(`one line expected, not: ${stdout}`);
  return only;
}
