/** Records of full verifications: where they lie, and the key that makes them believed. */
import { constants, closeSync, fstatSync, fsyncSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { KeyObject, randomBytes } from "node:crypto";
import { dirname, resolve } from "node:path";
import { codeOf, messageOf } from "./audit/errors.ts";
import type { NativeRecords } from "./native.ts";

export interface RecordsOptions {
  /** Made where it is missing; not used where other users may write to it. */
  readonly folder: string;
  /** 32 secret bytes. Whoever can read the key can write records that are believed. */
  readonly key?: KeyObject | Uint8Array | undefined;
  /** A file of exactly those bytes, open to its owner alone; made where it is missing. Instead of `key`. */
  readonly keyFile?: string | undefined;
  /** An older record is ignored, and the SHA-256 is computed again. Default: none is too old. */
  readonly maxAgeSeconds?: number | undefined;
}

const KEY_BYTES = 32;
const OTHERS = 0o077;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY, O_DIRECTORY } = constants;

/** The key's bytes, copied: the caller may wipe its own. */
export function keyBytes(key: unknown): Uint8Array {
  const bytes = key instanceof KeyObject ? secretBytes(key) : key;
  if (!(bytes instanceof Uint8Array)) throw new TypeError("records.key must be a secret KeyObject or a Uint8Array");
  if (bytes.length !== KEY_BYTES) throw new TypeError(`records.key must have ${KEY_BYTES} bytes, not ${bytes.length}`);
  return Uint8Array.from(bytes);
}

function secretBytes(key: KeyObject): Uint8Array {
  if (key.type !== "secret") throw new TypeError(`records.key must be a secret key, not a ${key.type} one`);
  return key.export();
}

/**
 * The key in the file, made where there is none.
 * @throws Error RECORD_KEY where the key is not a secret or no key at all
 */
export function keyOfFile(path: string): Uint8Array {
  try {
    return readKey(path);
  } catch (failure) {
    if (codeOf(failure) === "ENOENT") return createdKey(path);
    throw keyError(path, failure);
  }
}

function createdKey(path: string): Uint8Array {
  const key = randomBytes(KEY_BYTES);
  try {
    writeKey(path, key);
    return key;
  } catch (failure) {
    // Another process was faster, and has perhaps not written it yet: a short key is refused.
    if (codeOf(failure) !== "EEXIST") throw keyError(path, failure);
  }
  try {
    return readKey(path);
  } catch (failure) {
    throw keyError(path, failure);
  }
}

/** One descriptor for the look and the reading. */
function readKey(path: string): Uint8Array {
  const fd = openSync(path, O_RDONLY | O_NOFOLLOW);
  try {
    const { mode, uid } = fstatSync(fd);
    if ((mode & OTHERS) !== 0) throw new Error(`it is open to others (mode ${(mode & 0o777).toString(8)}); make a new key, or run: chmod 600 on it`);
    if (uid !== process.geteuid?.()) throw new Error(`it belongs to user ${uid}; it must belong to the user of this process`);
    const key = readFileSync(fd);
    if (key.length !== KEY_BYTES) throw new Error(`it has ${key.length} bytes, and a key has ${KEY_BYTES}`);
    return Uint8Array.from(key);
  } finally {
    closeSync(fd);
  }
}

function writeKey(path: string, key: Uint8Array): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    writeFileSync(fd, key);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  const folder = openSync(dirname(resolve(path)), O_RDONLY | O_DIRECTORY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function keyError(path: string, failure: unknown): Error {
  return Object.assign(new Error(`the record key ${path} cannot be used: ${messageOf(failure)}`, { cause: failure }), { code: "RECORD_KEY" });
}

/** What the options say, with the key's file still unread. */
export interface ParsedRecords {
  readonly folder: Uint8Array;
  readonly key: Uint8Array | { readonly file: string };
  readonly maxAgeMs: number | undefined;
}

export function openRecords({ folder, key, maxAgeMs }: ParsedRecords): NativeRecords {
  const bytes = key instanceof Uint8Array ? key : keyOfFile(key.file);
  return { folder, key: bytes, ...(maxAgeMs === undefined ? {} : { maxAgeMs }) };
}
