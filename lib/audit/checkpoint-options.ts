/** How often a trail signs a checkpoint of itself, with what, and who is to witness it. */
import { KeyObject } from "node:crypto";
import { CosignatureVerifier } from "../tlog/cosignature.ts";
import { importPrivateKey } from "../tlog/ed25519.ts";
import { bagOf, namesOf } from "../option-bag.ts";
import { TlogError } from "../tlog/errors.ts";
import { NODE_TLOG_FS } from "../tlog/tlog-fs.ts";
import type { TlogFs } from "../tlog/tlog-fs.ts";

export interface WitnessOption {
  /** The submission prefix: `https://witness.example/` or with a path. */
  readonly url: string;
  /** Its cosignature key, as its operator publishes it. */
  readonly vkey: string;
}

export interface CheckpointOptions {
  /** The longest that a durable record waits for a checkpoint that covers it, in seconds. Default 10. */
  readonly everySeconds?: number;
  /** A checkpoint is signed sooner once this many records wait for one. Default 10,000. */
  readonly everyRecords?: number;
  /**
   * The Ed25519 key: the path of its PEM file, which is made where there is none, or the key itself; several keys sign side by
   * side, the newest first. Default: `key.pem` in the trail's folder. A path elsewhere is better: whoever copies or restores the
   * folder then has no key to sign with.
   */
  readonly signingKey?: string | KeyObject | readonly KeyObject[];
  /** Make a new key file now; the present key goes on signing beside it until its file, `<path>.previous`, is removed. */
  readonly rotateKey?: boolean;
  /** C2SP witnesses that are shown each checkpoint and cosign it. They delay nothing. */
  readonly witnesses?: readonly WitnessOption[];
  /** For tests. */
  readonly fs?: TlogFs;
}

export interface CheckpointSettings {
  readonly everySeconds: number;
  readonly everyRecords: number;
  /** Undefined: the default place. */
  readonly signingKey: string | readonly KeyObject[] | undefined;
  readonly rotateKey: boolean;
  readonly witnesses: readonly { readonly url: URL; readonly key: CosignatureVerifier }[];
  readonly fs: TlogFs;
}

/**
 * An idle trail signs nothing, and a checkpoint costs about six syncs: ten seconds keep that below a thousandth of the disk's
 * time, and bound what could be cut from the files alone without a trace.
 */
const EVERY_SECONDS = 10;
/** timers hold 2^31 ms; a day is more than any use of this. */
const EVERY_SECONDS_MAX = 86_400;
/** Some 40 tiles: as much as a process that exits can still write in a few hundredths of a second. */
const EVERY_RECORDS = 10_000;

const NAMES = namesOf<CheckpointOptions>({ everySeconds: true, everyRecords: true, signingKey: true, rotateKey: true, witnesses: true, fs: true });

/** @throws TypeError that names the option */
export function checkpointSettings(given: unknown): CheckpointSettings | undefined {
  if (given === false) return undefined;
  if (given !== undefined && (typeof given !== "object" || given === null || Array.isArray(given))) throw new TypeError("checkpoints must be an object, or false");
  const options: CheckpointOptions = bagOf(given ?? {}, "checkpoints", NAMES);
  const { everySeconds = EVERY_SECONDS, everyRecords = EVERY_RECORDS, rotateKey = false } = options;
  if (typeof everySeconds !== "number" || !(everySeconds > 0 && everySeconds <= EVERY_SECONDS_MAX)) {
    throw new TypeError(`checkpoints.everySeconds must be a number above 0 and up to ${EVERY_SECONDS_MAX}`);
  }
  if (!Number.isSafeInteger(everyRecords) || everyRecords < 1) throw new TypeError("checkpoints.everyRecords must be a whole number of at least 1");
  if (typeof rotateKey !== "boolean") throw new TypeError("checkpoints.rotateKey must be true or false");
  const signingKey = keysOf(options.signingKey);
  if (rotateKey && Array.isArray(signingKey)) throw new TypeError("checkpoints.rotateKey needs the key in a file; to change keys that you pass, put the new one before the old one");
  return { everySeconds, everyRecords, rotateKey, signingKey, witnesses: witnessesOf(options.witnesses), fs: options.fs ?? NODE_TLOG_FS };
}

function keysOf(given: unknown): CheckpointSettings["signingKey"] {
  if (given === undefined) return undefined;
  if (typeof given === "string" && given !== "" && !given.includes("\0")) return given;
  const keys: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (keys.length > 0 && keys.every((key) => key instanceof KeyObject)) return keys.map(ed25519);
  throw new TypeError("checkpoints.signingKey must be the path of a key file, or a private KeyObject or several");
}

function ed25519(key: KeyObject): KeyObject {
  try {
    return importPrivateKey(key);
  } catch (failure) {
    throw new TypeError("checkpoints.signingKey must be Ed25519 private keys", { cause: failure });
  }
}

function witnessesOf(given: unknown): CheckpointSettings["witnesses"] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw new TypeError("checkpoints.witnesses must be an array of { url, vkey }");
  return given.map(witnessOf);
}

function witnessOf(given: Partial<WitnessOption> | null | undefined): { url: URL; key: CosignatureVerifier } {
  const url = typeof given?.url === "string" && URL.canParse(given.url) ? new URL(given.url) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) throw new TypeError("checkpoints.witnesses must each have a url that begins with https:// or http://");
  if (typeof given?.vkey !== "string") throw new TypeError("checkpoints.witnesses must each have a vkey");
  try {
    return { url, key: new CosignatureVerifier(given.vkey) };
  } catch (failure) {
    throw new TypeError(`checkpoints.witnesses must each have a vkey of a witness: ${failure instanceof TlogError ? failure.message : "it cannot be read"}`, { cause: failure });
  }
}
