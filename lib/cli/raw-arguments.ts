/** The command line's bytes. Node decodes arguments as UTF-8 and so loses names that are not. */
import { readFileSync } from "node:fs";
import { fromBytes, fromText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";

const REPLACED = "\u{FFFD}";

/** The same arguments in the same order, each with its original bytes where the system still knows them. */
export function rawArguments(args: readonly string[]): BytePath[] {
  if (!args.some((arg) => arg.includes(REPLACED))) return args.map(fromText);
  const known = lastOf(commandLine(), args.length);
  return args.map((arg, index) => {
    const bytes = known[index];
    return bytes?.toString("utf8") === arg ? fromBytes(bytes) : fromText(arg);
  });
}

function commandLine(): Buffer[] {
  try {
    return splitAtZero(readFileSync("/proc/self/cmdline"));
  } catch {
    // Without /proc the decoded argument is all there is; at worst the file is not found under that name.
    return [];
  }
}

function splitAtZero(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    parts.push(bytes.subarray(start, end === -1 ? bytes.length : end));
    start = end === -1 ? bytes.length : end + 1;
  }
  return parts;
}

function lastOf(parts: Buffer[], count: number): Buffer[] {
  return parts.slice(Math.max(0, parts.length - count));
}
