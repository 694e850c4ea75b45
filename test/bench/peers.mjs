/** The packages that we are measured against, pinned, in a cache outside the repository. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { cacheFolder } from "../../scripts/cache.mjs";

export const PEERS = {
  "@huggingface/gguf": "0.4.6",
  "node-llama-cpp": "3.22.1",
  hyllama: "0.2.2",
};

/** better-sqlite3 is C++ and compiles where no ready binary can be had. */
export const AUDIT_PEERS = {
  "better-sqlite3": "12.6.2",
  pino: "10.4.0",
  winston: "3.19.0",
};

const INSTALL_MS_MAX = 5 * 60_000;

/** Installs what is missing. Returns the folder, or undefined where the registry cannot be reached. */
export function installPeers() {
  // No scripts, and not node-llama-cpp's 700 MB of engines: only its reader is measured.
  return install("bench-peers", PEERS, {}, ["--ignore-scripts", "--omit=optional"]);
}

/** The same for those of the audit trail. */
export function installAuditPeers() {
  return install("bench-audit-peers", AUDIT_PEERS, { allowScripts: { "better-sqlite3": true } }, []);
}

function install(name, peers, manifest, options) {
  const folder = cacheFolder(name);
  if (Object.keys(peers).every((peer) => installed(folder, peer) === peers[peer])) return folder;
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies: peers, ...manifest }));
  const args = ["install", ...options, "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, stderr, error } = spawnSync("npm", args, { cwd: folder, encoding: "utf8", timeout: INSTALL_MS_MAX });
  if (status === 0) return folder;
  console.error(`skipped: the peers could not be installed: ${error?.message ?? stderr.trim().split("\n").at(-1)}`);
  return undefined;
}

function installed(folder, name) {
  try {
    return JSON.parse(readFileSync(join(folder, "node_modules", name, "package.json"), "utf8")).version;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Imports one peer out of that folder. */
export async function importPeer(folder, name) {
  return import(pathToFileURL(createRequire(join(folder, "package.json")).resolve(name)).href);
}
