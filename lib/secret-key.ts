/** Secrets that make what is stored outside the process believed: bytes that are handed over, or a file of their owner's. */
import { constants, closeSync, fstatSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { KeyObject, randomBytes } from "node:crypto";
import { dirname, resolve } from "node:path";
import { codeOf, messageOf } from "./audit/errors.ts";
import { NODE_FS, syncFolder } from "./audit/files.ts";

/** What a key is for. */
export interface KeyUse {
  /** The option that it is given by. */
  readonly option: "records" | "seals";
  /** Of the error about its file. */
  readonly code: "RECORD_KEY" | "SEAL_KEY";
  readonly name: string;
  /** Whether more bytes than a key has may be given: it is then derived from them. */
  readonly mayBeLonger: boolean;
}

export const RECORD_KEY: KeyUse = { option: "records", code: "RECORD_KEY", name: "record key", mayBeLonger: false };
export const SEAL_KEY: KeyUse = { option: "seals", code: "SEAL_KEY", name: "seal key", mayBeLonger: true };

/** The bytes, or the file that they are in, still unread. */
export type GivenKey = Uint8Array | { readonly file: string };

const KEY_BYTES = 32;
const OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
const ROOT = 0;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** @throws TypeError where it is not exactly one of the two, or none that a key can be */
export function givenKey(key: unknown, keyFile: unknown, use: KeyUse): GivenKey {
  if ((key === undefined) === (keyFile === undefined)) throw new TypeError(`${use.option} needs either key or keyFile`);
  if (key !== undefined) return keyBytes(key, use);
  if (typeof keyFile !== "string" || keyFile === "") throw new TypeError(`${use.option}.keyFile must be the path of a file`);
  return { file: resolve(keyFile) };
}

/** The key's bytes, copied: the caller may wipe its own. */
export function keyBytes(key: unknown, use: KeyUse): Uint8Array {
  const bytes = key instanceof KeyObject ? secretBytes(key, use) : key;
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`${use.option}.key must be a secret KeyObject or a Uint8Array`);
  if (use.mayBeLonger ? bytes.length < KEY_BYTES : bytes.length !== KEY_BYTES) {
    throw new TypeError(`${use.option}.key must have ${use.mayBeLonger ? "at least " : ""}${KEY_BYTES} bytes, not ${bytes.length}`);
  }
  return Uint8Array.from(bytes);
}

function secretBytes(key: KeyObject, { option }: KeyUse): Uint8Array {
  if (key.type !== "secret") throw new TypeError(`${option}.key must be a secret key, not a ${key.type} one`);
  return key.export();
}

/** The key; where it is in a file that is not there, one is made. @throws as {@link keyOfFile} */
export function keyOf(given: GivenKey, use: KeyUse): Uint8Array {
  return given instanceof Uint8Array ? given : keyOfFile(given.file, use);
}

/**
 * The key in the file, made where there is none.
 * @throws Error of the use's code where others can read or exchange it, or it is no key
 */
export function keyOfFile(path: string, use: KeyUse): Uint8Array {
  return usable(path, use, () => readKey(path) ?? createdKey(path));
}

/** The key in a file that must be there. @throws as {@link keyOfFile} */
export function keyInFile(path: string, use: KeyUse): Uint8Array {
  return usable(path, use, () => readKey(path) ?? gone("there is no such file"));
}

function usable(path: string, { code, name }: KeyUse, key: () => Uint8Array): Uint8Array {
  try {
    demandOwnFolder(dirname(path));
    return key();
  } catch (failure) {
    throw Object.assign(new Error(`the ${name} ${path} cannot be used: ${messageOf(failure)}`, { cause: failure }), { code });
  }
}

function gone(message: string): never {
  throw new Error(message);
}

/** Whoever can write to the folder can put another key under the name, and believe in records of their own. */
function demandOwnFolder(folder: string): void {
  const { mode, uid } = statSync(folder);
  if ((mode & WRITABLE_BY_OTHERS) !== 0) throw new Error(`its folder can be written by others (mode ${(mode & 0o7777).toString(8)}); run: chmod go-w on it`);
  if (uid !== ROOT && uid !== process.geteuid?.()) throw new Error(`its folder belongs to user ${uid}; it must belong to the user of this process, or to root`);
}

/** Another process may be faster; then its key is everybody's. Never half a key under the name, whenever the machine stops. */
function createdKey(path: string): Uint8Array {
  const unfinished = `${path}.${randomBytes(6).toString("hex")}.new`;
  try {
    writeKey(unfinished, randomBytes(KEY_BYTES));
    linkSync(unfinished, path);
  } catch (failure) {
    if (codeOf(failure) !== "EEXIST") throw failure;
  } finally {
    rmSync(unfinished, { force: true });
  }
  syncFolder(NODE_FS, dirname(path));
  return readKey(path) ?? gone("it has gone again");
}

/** One descriptor for the look and the reading; undefined where there is no such file. */
function readKey(path: string): Uint8Array | undefined {
  const fd = opened(path);
  if (fd === undefined) return undefined;
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

function opened(path: string): number | undefined {
  try {
    return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (failure) {
    if (codeOf(failure) === "ENOENT") return undefined;
    throw failure;
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
}
