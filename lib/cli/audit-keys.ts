/** Keys and notes on the command line: a key as it is, or the name of a file with one or several. */
import { readFileSync, statSync } from "node:fs";
import { parseVkey } from "../tlog/vkey.ts";
import { UsageError } from "./args.ts";
import { visible } from "./terminal.ts";

/** Keys, notes and proofs are small; what is larger is another file. */
const FILE_BYTES_MAX = 1_048_576;

/** The verifier keys that `--vkey` or `--witness` names, or undefined where it is not given. @throws UsageError */
export function keysOption(given: string | undefined, option: string): string[] | undefined {
  if (given === undefined) return undefined;
  if (isVkey(given)) return [given];
  const keys = smallFile(given, `--${option}`).split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const wrong = keys.find((key) => !isVkey(key));
  if (keys.length > 0 && wrong === undefined) return keys;
  throw new UsageError(`--${option}: ${visible(given, 80)} holds no verifier key; a key looks like name+12345678+base64, one in a line.`);
}

/** A small file that the person running the command names. @throws UsageError */
export function smallFile(path: string, what: string): string {
  try {
    const found = statSync(path);
    if (!found.isFile() || found.size > FILE_BYTES_MAX) throw new Error(`it is no file, or larger than ${FILE_BYTES_MAX} bytes`);
    return readFileSync(path, "utf8");
  } catch (failure) {
    throw new UsageError(`${what}: ${visible(path, 80)} cannot be read: ${failure instanceof Error ? visible(failure.message) : "unknown"}`);
  }
}

function isVkey(text: string): boolean {
  try {
    parseVkey(text);
    return true;
  } catch {
    return false;
  }
}
