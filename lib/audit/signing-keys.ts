/** The keys that sign a trail's checkpoints: in files of their owner's, or handed over. */
import type { KeyObject } from "node:crypto";
import { isAbsolute, join, resolve } from "node:path";
import { TlogError } from "../tlog/errors.ts";
import { openKeyFile, readKeyFile, replaceKeyFile } from "../tlog/key-file.ts";
import { isMissing } from "../tlog/tlog-fs.ts";
import type { TlogFs } from "../tlog/tlog-fs.ts";
import type { CheckpointSettings } from "./checkpoint-options.ts";
import { AuditWriteError, messageOf } from "./errors.ts";

/** Where the key of a trail lies unless it is told otherwise. */
const KEY_FILE = "key.pem";

/** The newest first. `mayMake`: nothing was signed yet, so a missing key is not a lost one. Rejects with reason `key`. */
export function signingKeys(folder: string, { signingKey, rotateKey, fs }: CheckpointSettings, mayMake: boolean): readonly KeyObject[] {
  if (typeof signingKey === "object") return signingKey;
  const path = keyPath(folder, signingKey);
  try {
    const current = mayMake ? openKeyFile(path, fs) : readKeyFile(path, fs);
    if (rotateKey) return [replaceKeyFile(path, fs), current];
    const previous = previousKey(path, fs);
    return previous === undefined ? [current] : [current, previous];
  } catch (failure) {
    throw new AuditWriteError("key", refusal(path, failure), failure);
  }
}

function keyPath(folder: string, given: string | undefined): string {
  if (given === undefined) return join(folder, KEY_FILE);
  return isAbsolute(given) ? given : resolve(given);
}

function previousKey(path: string, fs: TlogFs): KeyObject | undefined {
  try {
    return readKeyFile(`${path}.previous`, fs);
  } catch (failure) {
    if (isMissing(failure)) return undefined;
    throw failure;
  }
}

function refusal(path: string, failure: unknown): string {
  if (failure instanceof TlogError) return failure.message;
  if (!isMissing(failure)) return `the signing key in ${path} cannot be used: ${messageOf(failure)}`;
  return `the signing key ${path} is missing, or the folder for it; the trail has a checkpoint signed with it. ` +
    "Bring it back, or open with force: true, which begins a new tree under a new key and records that";
}
