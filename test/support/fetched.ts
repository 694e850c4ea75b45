/** What a script of scripts/ fetches once into the cache: its path, or the reason why it cannot be had here. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

export type Fetched = { readonly path: string } | { readonly reason: string };

/** Longer than the scripts' own limits for a download. */
export const FETCH_MS_MAX = 310_000;
/** The scripts' exit code for a world outside that does not answer. */
const SKIPPED = 75;

/** No network is a reason, a broken script is a failure. */
export function fetched(script: "engine-fixtures.mjs" | "gemma.mjs"): Promise<Fetched> {
  const path = fileURLToPath(new URL(`../../scripts/${script}`, import.meta.url));
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [path], { timeout: FETCH_MS_MAX }, (error, stdout, stderr) => {
      if (error === null) resolve({ path: stdout.trim() });
      else if (error.code === SKIPPED || error.killed === true) resolve({ reason: stderr.trim() });
      else reject(new Error(`scripts/${script} failed: ${stderr}`, { cause: error }));
    });
  });
}
