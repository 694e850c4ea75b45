/** The folder for what is downloaded once and kept: outside the repository, so that a clean checkout keeps it. */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** $XDG_CACHE_HOME/model-loader/NAME or ~/.cache/model-loader/NAME, made if missing. */
export function cacheFolder(name) {
  // The XDG text says that a relative path in the variable is to be ignored.
  const set = process.env.XDG_CACHE_HOME;
  const base = set !== undefined && isAbsolute(set) ? set : join(homedir(), ".cache");
  const folder = join(base, "model-loader", name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
