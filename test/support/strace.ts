/**
 * Real system calls of a real process made to fail by strace, at chosen files only. To have it: `apt-get install strace`. A CI run
 * that lacks it unpacks Debian's signed packages into the user's cache: nothing is installed, no system folder changes.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../scripts/cache.mjs";

const PACKAGES = ["strace", "libunwind8", "liblzma5"];
const INSTALL_MS_MAX = 60_000;

export interface Strace {
  /** The beginning of a command line that makes calls fail; `faults` as strace's `inject=` says them. */
  command(faults: readonly string[], files: readonly string[], log: string): readonly string[];
}

/** Strace, or the reason why there is none. */
export function strace(): Strace | string {
  const found = program();
  if (typeof found === "string") return found;
  const probe = spawnSync("env", [...found, "-qq", "-o", "/dev/null", "true"], { encoding: "utf8" });
  if (probe.status !== 0) return `strace may not trace here: ${probe.stderr.trim()}`;
  return { command: (faults, files, log) => ["env", ...found, ...following(faults, files, log)] };
}

/** Threads too. Only the calls that are made to fail are stopped at, and only on these files. */
function following(faults: readonly string[], files: readonly string[], log: string): string[] {
  const injected = faults.flatMap((fault) => ["-e", `inject=${fault}`]);
  const calls = [...new Set(faults.map((fault) => fault.slice(0, fault.indexOf(":"))))];
  return ["-f", "-qq", "-o", log, "-e", `trace=${calls.join(",")}`, ...files.flatMap((file) => ["-P", file]), ...injected];
}

/** What comes behind `env`. */
function program(): readonly string[] | string {
  if (spawnSync("strace", ["--version"]).status === 0) return ["strace"];
  const root = join(cacheFolder("strace"), "root");
  if (!existsSync(join(root, "usr/bin/strace"))) {
    if (process.env["CI"] !== "true") return "strace is not installed";
    const refused = unpack(root);
    if (refused !== undefined) return `strace could not be fetched from Debian: ${refused}`;
  }
  const multiarch = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  const libraries = ["usr/lib", "lib"].map((folder) => join(root, folder, multiarch)).join(":");
  return [`LD_LIBRARY_PATH=${libraries}`, join(root, "usr/bin/strace")];
}

function unpack(root: string): string | undefined {
  const script = 'set -eu; rm -rf "$0.new"; mkdir -p "$0.new"; cd "$0.new"; apt-get -q -o APT::Sandbox::User=root download "$@"; '
    + 'for package in ./*.deb; do dpkg -x "$package" .; done; rm -rf "$0"; mv "$0.new" "$0"';
  try {
    execFileSync("sh", ["-c", script, root, ...PACKAGES], { timeout: INSTALL_MS_MAX, stdio: ["ignore", "ignore", "pipe"] });
    return undefined;
  } catch (failure) {
    return failure instanceof Error ? (failure.message.split("\n").at(-1) ?? "") : String(failure);
  }
}
