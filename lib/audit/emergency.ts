/** The last place to say that a record was lost: one JSON line on standard error. */
import { writeSync } from "node:fs";

/** Takes a line without its newline; what it returns is ignored. */
export type Emergency = (line: string) => unknown;

const STDERR = 2;

/** Writes straight to the descriptor: a stream's error would come later, and end the process. Returns false where nobody listens. */
export function toStandardError(line: string): boolean {
  try {
    writeSync(STDERR, `${line}\n`);
    return true;
  } catch {
    return false;
  }
}
