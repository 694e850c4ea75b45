/**
 * From a fresh clone to the first verdict, with nothing installed but Node, npm and Rust:
 *
 *     node scripts/quickstart.mjs                      a tour: a good model, three bad ones, the audit trail, the metrics
 *     node scripts/quickstart.mjs PATH [options]       verifies PATH; options are those of `model-loader verify`
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { run } from "./command.mjs";
import { dependenciesInstalled, prerequisitesMet } from "./prerequisites.mjs";

const script = (name) => fileURLToPath(new URL(name, import.meta.url));

process.exitCode = await quickstart(process.argv.slice(2));

async function quickstart(args) {
  if (!(await built())) return 1;
  // Ctrl-C reaches the command too, which records it and ends; this process waits for that.
  process.on("SIGINT", () => undefined);
  // The caller's folder stays the current one: PATH is meant from there.
  const command = args.length === 0 ? [script("tour.mjs")] : [script("../dist/cli/main.js"), "verify", ...args];
  return spawnSync(process.execPath, command, { stdio: "inherit" }).status ?? 1;
}

/** Installs and builds without a word about it, unless it fails. Progress goes to standard error: the verdict is the output. */
async function built() {
  if (!(await prerequisitesMet())) return false;
  const fresh = !(await dependenciesInstalled());
  console.error(fresh ? "installing and building; a minute or two the first time …" : "building …");
  const startedMs = performance.now();
  const { code, output } = await run(process.execPath, [script("build.mjs")], { quiet: true });
  console.error(code === 0 ? `built in ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n` : output);
  return code === 0;
}
