/**
 * Other majors of Node than the one that runs the tests: their binaries come as npm packages, installed once into the user's
 * cache. A run that may not fetch (CI is not set) takes what is there.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../scripts/cache.mjs";

/** The oldest that is supported, and each major since that is or becomes a long-term release. */
const MAJORS = [20, 22, 24, 26];
const INSTALL_MS_MAX = 120_000;

export interface NodeMajor {
  readonly major: number;
  /** Absent: `missing` says why. */
  readonly binary?: string;
  readonly missing?: string;
}

export function nodeMajors(): NodeMajor[] {
  const own = Number(process.versions.node.split(".")[0]);
  return [...new Set([own, ...MAJORS])].map((major) => (major === own ? { major, binary: process.execPath } : fetched(major)));
}

function fetched(major: number): NodeMajor {
  const home = cacheFolder("node");
  const name = `node-linux-${process.arch}`;
  const binary = join(home, String(major), "node_modules", name, "bin", "node");
  if (existsSync(binary)) return { major, binary };
  if (process.env["CI"] !== "true") return { major, missing: `Node ${major} is not in the cache; CI=true fetches it` };
  const failed = install(home, major, `${name}@${major}`);
  return failed === undefined ? { major, binary } : { major, missing: failed };
}

/** In one step: a run beside this one sees nothing or the whole of it. */
function install(home: string, major: number, what: string): string | undefined {
  const work = mkdtempSync(join(home, "installing-"));
  writeFileSync(join(work, "package.json"), '{ "private": true }\n');
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, stderr, error } = spawnSync("npm", ["install", ...quiet, what], { cwd: work, encoding: "utf8", timeout: INSTALL_MS_MAX });
  if (status === 0 && !existsSync(join(home, String(major)))) renameSync(work, join(home, String(major)));
  else rmSync(work, { recursive: true, force: true });
  return status === 0 ? undefined : `${what} could not be installed: ${error?.message ?? stderr.trim().split("\n").at(-1) ?? ""}`;
}
