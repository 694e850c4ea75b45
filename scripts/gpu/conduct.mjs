/** Runs steps one after another within a time, and passes on what they tell. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ROOT } from "../command.mjs";

const STEP = fileURLToPath(new URL("step.mjs", import.meta.url));
/** A process in the middle of a driver's call may not end when it is told to. */
const GRACE_MS = 5000;
const STDERR_CHARS = 600;
/** A device that runs on a processor waits for its turn there. */
const SMALL_FACTOR = 5;

export class Conductor {
  #folder;
  #take;
  #endsMs = Infinity;
  #child;

  /**
   * @param {string} folder where each step gets one of its own
   * @param {(message: { kind: string }) => void} take hears what steps tell, checks that fail for their time included
   */
  constructor(folder, take) {
    this.#folder = folder;
    this.#take = take;
  }

  /** All steps from now on must end within so many minutes. */
  begin(minutes) {
    this.#endsMs = performance.now() + minutes * 60_000;
  }

  get #leftMs() {
    return this.#endsMs - performance.now();
  }

  async run(step, context) {
    const { name, secondsMin, secondsMax, probe } = step;
    if (probe === true && context.probe === undefined) return this.#skip(name, "the probe is not built, and there is no cargo");
    if (this.#leftMs <= secondsMin * 1000) return this.#skip(name, `${Math.max(0, this.#leftMs / 1000).toFixed(0)} s are left, and it may take more than ${secondsMin}`);
    const home = mkdtempSync(join(this.#folder, "step-"));
    try {
      const ownMs = secondsMax * 1000 * (context.small === true ? SMALL_FACTOR : 1);
      const limitMs = Math.min(ownMs, this.#leftMs);
      const end = await this.#ended(step, { ...context, home }, limitMs);
      if (end.done) return undefined;
      if (end.late && limitMs < ownMs) return this.#skip(name, "the time was up in the middle of it");
      this.#take({ kind: "check", name, good: false, text: end.late ? `ended after ${ownMs / 1000} s` : end.why });
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  }

  /** Runs the step's process to its end, or to its limit. */
  #ended({ name, env }, context, limitMs) {
    const child = spawn(process.execPath, [STEP, name, JSON.stringify(context)], { cwd: ROOT, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    const state = { done: false, late: false };
    let stderr = "";
    child.stderr.on("data", (chunk) => { stderr = `${stderr}${chunk}`.slice(-STDERR_CHARS); });
    createInterface({ input: child.stdout }).on("line", (line) => { this.#line(line, state); });
    return new Promise((resolve) => {
      const end = (why) => {
        clearTimeout(limit);
        resolve({ ...state, why });
      };
      const limit = setTimeout(() => {
        state.late = true;
        child.kill("SIGKILL");
        setTimeout(() => { child.unref(); end("it does not end"); }, GRACE_MS).unref();
      }, limitMs);
      child.on("error", (failure) => { end(failure.message); });
      child.on("close", (code, signal) => { end(`ended with ${signal ?? code}: ${stderr.trim()}`); });
    });
  }

  /** What is no message of ours is somebody's noise, and is shown. */
  #line(line, state) {
    const message = line.startsWith('{"kind":') ? JSON.parse(line) : undefined;
    if (message === undefined) console.log(line);
    else if (message.kind === "done") state.done = true;
    else this.#take(message);
  }

  #skip(name, text) {
    this.#take({ kind: "skip", name, text });
  }

  /** Ends the step that runs. */
  stop() {
    this.#child?.kill("SIGKILL");
  }
}
