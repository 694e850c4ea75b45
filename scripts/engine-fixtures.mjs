/**
 * node-llama-cpp, the engine that the engine-safety rules are judged against: installed on demand into the cache.
 *
 *     node scripts/engine-fixtures.mjs    prints the path of its entry module, downloading it the first time (110 MB)
 *
 * Exit codes: 0 done, 1 something is wrong, 75 skipped because npm or its registry cannot be reached, or because there
 * is no binary for this machine. No install script is run; only the tests load the package, in processes of their own.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "./cache.mjs";

/** The version that crates/gguf/src/engine.rs names. */
const VERSION = "3.22.1";
const BINARIES = { x64: "@node-llama-cpp/linux-x64", arm64: "@node-llama-cpp/linux-arm64" };
const INSTALL_MS_MAX = 5 * 60_000;
/** EX_TEMPFAIL: nothing is broken here, the world outside did not answer. */
const SKIPPED = 75;

class Skipped extends Error {}

/** Path of the package's entry module, installed if it is missing. */
function engine() {
  const folder = cacheFolder("engine");
  const home = join(folder, `node-llama-cpp-${VERSION}`);
  if (!existsSync(home)) install(folder, home);
  return join(home, "node_modules", "node-llama-cpp", "dist", "index.js");
}

function install(folder, home) {
  const binary = BINARIES[process.arch];
  if (process.platform !== "linux" || binary === undefined) throw new Skipped(`no binary for ${process.platform} ${process.arch}`);
  const work = mkdtempSync(join(folder, "installing-"));
  try {
    writeFileSync(join(work, "package.json"), '{ "private": true }\n');
    console.error(`installing node-llama-cpp ${VERSION} once, 110 MB`);
    npm(work, `node-llama-cpp@${VERSION}`, `${binary}@${VERSION}`);
    // In one step: a second run beside this one sees nothing or the whole installation.
    renameSync(work, home);
  } catch (failure) {
    rmSync(work, { recursive: true, force: true });
    if (failure.code !== "ENOTEMPTY") throw failure;
  }
}

/** Without the optional packages, which are the same engine for other machines and GPUs, 700 MB of them. */
function npm(folder, ...packages) {
  const quiet = ["--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, error, stderr } = spawnSync("npm", ["install", ...quiet, ...packages], { cwd: folder, encoding: "utf8", timeout: INSTALL_MS_MAX });
  if (error) throw new Skipped(`npm did not run: ${error.message}`);
  if (status !== 0) throw new Skipped(`npm could not install: ${stderr.trim().split("\n").at(-1) ?? "it gave no reason"}`);
}

try {
  console.log(engine());
} catch (failure) {
  const skipped = failure instanceof Skipped;
  console.error(skipped ? `skipped: ${failure.message}` : `error: ${failure.message}`);
  process.exitCode = skipped ? SKIPPED : 1;
}
