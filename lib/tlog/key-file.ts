/** The private key's file: one PEM, readable by its owner alone. */
import { constants } from "node:fs";
import { dirname } from "node:path";
import type { KeyObject } from "node:crypto";
import { generatePrivateKey, importPrivateKey } from "./ed25519.ts";
import { TlogError } from "./errors.ts";
import { isMissing, NODE_TLOG_FS } from "./tlog-fs.ts";
import type { TlogFs } from "./tlog-fs.ts";
import { syncFolderSync } from "./whole-file.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const OWNER_ONLY = 0o600;
const OTHERS = 0o077;
/** The key that signs beside a new one until all readers know that. */
const PREVIOUS = ".previous";
const UNFINISHED = ".new";

/** The key in the file, made where there is none. */
export function openKeyFile(path: string, fs: TlogFs = NODE_TLOG_FS): KeyObject {
  try {
    return readKeyFile(path, fs);
  } catch (failure) {
    if (isMissing(failure)) return createKeyFile(path, fs);
    throw failure;
  }
}

/** Refuses a key that others can read or have written: whoever has it can sign in this log's name. */
export function readKeyFile(path: string, fs: TlogFs = NODE_TLOG_FS): KeyObject {
  const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW);
  try {
    const { mode, uid } = fs.fstatSync(fd);
    if ((mode & OTHERS) !== 0) throw new TlogError("BAD_KEY", `the key file ${path} is open to others (mode ${(mode & 0o777).toString(8)}); make a new key, or run: chmod 600 on it`);
    if (uid !== process.geteuid?.()) throw new TlogError("BAD_KEY", `the key file ${path} belongs to user ${uid}; it must belong to the user of this process`);
    return importPrivateKey(fs.readFileSync(fd));
  } finally {
    fs.closeSync(fd);
  }
}

/** Never overwrites: a lost key means a new log identity. Complete or not there at all, whenever the machine stops. */
export function createKeyFile(path: string, fs: TlogFs = NODE_TLOG_FS): KeyObject {
  const key = writeNewKey(path, fs);
  try {
    fs.linkSync(path + UNFINISHED, path);
  } finally {
    fs.rmSync(path + UNFINISHED, { force: true });
  }
  syncFolderSync(fs, dirname(path));
  return key;
}

/** A new key in the file; the one that was there moves to `<path>.previous`, in the place of an older one. */
export function replaceKeyFile(path: string, fs: TlogFs = NODE_TLOG_FS): KeyObject {
  const key = writeNewKey(path, fs);
  // A link first: at no moment is there no key under the name.
  fs.rmSync(path + PREVIOUS, { force: true });
  fs.linkSync(path, path + PREVIOUS);
  fs.renameSync(path + UNFINISHED, path);
  syncFolderSync(fs, dirname(path));
  return key;
}

function writeNewKey(path: string, fs: TlogFs): KeyObject {
  const key = generatePrivateKey();
  fs.rmSync(path + UNFINISHED, { force: true });
  const fd = fs.openSync(path + UNFINISHED, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, OWNER_ONLY);
  try {
    fs.writeFileSync(fd, key.export({ format: "pem", type: "pkcs8" }));
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  return key;
}
