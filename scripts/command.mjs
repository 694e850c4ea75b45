/** Runs commands in the repository's root, their output shown, kept, or both. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** As timeout(1) has it. */
export const TIMED_OUT = 124;

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, env?: Record<string, string>, minutesMax?: number }} [options]
 *   quiet keeps the output without showing it; minutesMax ends the command, with all that it started, when it takes longer
 * @returns {Promise<{ code: number, output: string }>} code 127 where there is no such command, 124 where it was ended for its time
 */
export function run(command, args, { quiet = false, env = {}, minutesMax } = {}) {
  return new Promise((resolve) => {
    const bounded = minutesMax !== undefined;
    const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], detached: bounded });
    const deadline = bounded ? endInTime(child, minutesMax) : { passed: false, clear: () => undefined };
    const kept = [];
    const keep = (stream) => (chunk) => {
      kept.push(chunk);
      if (!quiet) stream.write(chunk);
    };
    child.stdout.on("data", keep(process.stdout));
    child.stderr.on("data", keep(process.stderr));
    const settle = (outcome) => {
      deadline.clear();
      resolve(outcome);
    };
    child.on("error", (failure) => settle({ code: 127, output: `${command}: ${failure.message}\n` }));
    child.on("close", (code) => settle({ code: deadline.passed ? TIMED_OUT : code ?? 1, output: Buffer.concat(kept).toString("utf8") }));
  });
}

/** A group of its own is ended whole, but hears no Ctrl-C of the terminal: so it ends with us as well. */
function endInTime(child, minutesMax) {
  const state = { passed: false, clear };
  const timer = setTimeout(() => {
    state.passed = true;
    end();
  }, minutesMax * 60_000);
  const interrupted = () => process.exit(130);
  process.on("exit", end).on("SIGINT", interrupted).on("SIGTERM", interrupted);
  return state;

  function end() {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It never started, or has ended already.
    }
  }

  function clear() {
    clearTimeout(timer);
    process.off("exit", end).off("SIGINT", interrupted).off("SIGTERM", interrupted);
  }
}

/** A command of a development dependency, by its own file: no search path, no download. */
export const tool = (name) => fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));
