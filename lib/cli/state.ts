/** What a command keeps between runs: the records of verifications, and beside them the key that makes them believed. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ModelLoadError } from "../errors.ts";
import type { RecordsOptions } from "../records.ts";
import { keyOfFile, RECORD_KEY } from "../secret-key.ts";

/** The folder is made where it is missing. An error where it cannot be used: a faster answer was asked for, and it would not come. */
export function recordsIn(state: string | undefined, identity: boolean): RecordsOptions | undefined | ModelLoadError {
  if (state === undefined) return undefined;
  try {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    return { folder: join(state, "records"), key: keyOfFile(join(state, "record.key"), RECORD_KEY), identity };
  } catch (failure) {
    return new ModelLoadError("IO", { message: `the state folder cannot be used, so nothing was judged: ${(failure as Error).message}`, cause: failure });
  }
}
