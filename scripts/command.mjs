/** Runs commands in the repository's root, their output shown, kept, or both. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, env?: Record<string, string> }} [options] quiet keeps the output without showing it
 * @returns {Promise<{ code: number, output: string }>} code 127 where there is no such command
 */
export function run(command, args, { quiet = false, env = {} } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    const kept = [];
    const keep = (stream) => (chunk) => {
      kept.push(chunk);
      if (!quiet) stream.write(chunk);
    };
    child.stdout.on("data", keep(process.stdout));
    child.stderr.on("data", keep(process.stderr));
    child.on("error", (failure) => resolve({ code: 127, output: `${command}: ${failure.message}\n` }));
    child.on("close", (code) => resolve({ code: code ?? 1, output: Buffer.concat(kept).toString("utf8") }));
  });
}

/** A command of a development dependency, by its own file: no search path, no download. */
export const tool = (name) => fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));
