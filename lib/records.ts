/** Records of full verifications: where they lie, and the key that makes them believed. */
import type { KeyObject } from "node:crypto";
import { resolve, sep } from "node:path";
import type { NativeRecords } from "./native.ts";
import { givenKey, keyOf, RECORD_KEY } from "./secret-key.ts";
import type { GivenKey } from "./secret-key.ts";

export interface RecordsOptions {
  /** Made where it is missing; not used where other users may write to it. */
  readonly folder: string;
  /** 32 secret bytes. Whoever can read the key can write records that are believed. */
  readonly key?: KeyObject | Uint8Array | undefined;
  /** A file of exactly those bytes outside `folder`, open to its owner alone; made where it is missing. Instead of `key`. */
  readonly keyFile?: string | undefined;
  /** An older record is ignored, and the SHA-256 is computed again. Default: none is too old. */
  readonly maxAgeSeconds?: number | undefined;
  /**
   * Believe also, without reading it, that a file is what it was: the same inode with the same facts as when it was verified
   * under a lease, and the lease had again (README, "Records"). Trusts root, the kernel and the clock. Default false.
   */
  readonly identity?: boolean | undefined;
}

/** What the options say, with the key's file still unread. */
export interface ParsedRecords {
  readonly folder: Uint8Array;
  readonly key: GivenKey;
  readonly maxAgeMs: number | undefined;
  readonly identity: boolean;
}

/** @throws TypeError where it is not exactly one key, or one that whoever writes records could exchange */
export function recordKey(key: unknown, keyFile: unknown, folder: string): GivenKey {
  const given = givenKey(key, keyFile, RECORD_KEY);
  const inside = !(given instanceof Uint8Array) && given.file.startsWith(resolve(folder) + sep);
  if (inside) throw new TypeError("records.keyFile must lie outside records.folder: whoever writes records could exchange it");
  return given;
}

/** @throws Error RECORD_KEY for a bad key file */
export function openRecords({ folder, key, maxAgeMs, identity }: ParsedRecords): NativeRecords {
  return { folder, key: keyOf(key, RECORD_KEY), identity, ...(maxAgeMs === undefined ? {} : { maxAgeMs }) };
}
