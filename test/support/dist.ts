/** The built package, for tests that need a process of their own. */
import { existsSync } from "node:fs";

const index = new URL("../../dist/index.js", import.meta.url);

/** URL of the built entry point. */
export function distIndex(): string {
  if (!existsSync(index)) throw new Error("dist/ is missing; build it first: node scripts/build.mjs");
  return index.href;
}
