/** What is signed about a trail, read before its records are: the folder's checkpoint, and an earlier one from elsewhere. */
import type { Registry } from "prom-client";
import { openCheckpoint, peekCheckpoint } from "../tlog/checkpoint.ts";
import type { OpenedCheckpoint } from "../tlog/checkpoint.ts";
import { cosignedAt } from "../tlog/cosignature.ts";
import type { CosignatureVerifier } from "../tlog/cosignature.ts";
import { TlogError } from "../tlog/errors.ts";
import { keyIdHex } from "../tlog/key-name.ts";
import { parseNote, verifiedOnes } from "../tlog/note.ts";
import { logKeys, noteIn, vkeysIn, witnessKeys } from "./trust.ts";
import type { LogKeys } from "./trust.ts";

export interface VerifyOptions {
  /** A prom-client Registry: `model_loader_audit_verify_total` counts how the verification ended. */
  readonly registry?: Registry;
  /** Verifier keys of the log that you have from elsewhere. Default: those in the folder, which whoever can write it can replace. */
  readonly vkeys?: readonly string[];
  /** Cosignature keys of witnesses, each of whom must have signed the checkpoint. */
  readonly witnesses?: readonly string[];
  /** An earlier checkpoint (the signed note) that was kept elsewhere: the trail must continue it. */
  readonly since?: string | Uint8Array;
}

export interface CheckpointReport {
  /** The name under which the tree is signed: the trail's origin, with `/anew-<n>` behind it after a forced rollback. */
  readonly origin: string;
  /** Records that it covers. */
  readonly size: number;
  /** Base64. */
  readonly root: string;
  /** Ids of the known keys that signed it. */
  readonly keyIds: readonly string[];
  /** Where the known keys are from. */
  readonly keysFrom: "caller" | "folder";
  readonly witnessed: readonly { readonly name: string; readonly unixSeconds: number }[];
}

export interface SignedHead {
  readonly checkpoint: OpenedCheckpoint | undefined;
  readonly report: CheckpointReport | undefined;
  readonly since: OpenedCheckpoint | undefined;
  /** What is wrong with the signed notes themselves. */
  readonly wrong: string | undefined;
}

/** @throws TypeError where what the caller brought is no key or no checkpoint */
export function signedHead(folder: string, options: VerifyOptions): SignedHead {
  const brought = broughtBy(options);
  const head: { -readonly [K in keyof SignedHead]: SignedHead[K] } = { checkpoint: undefined, report: undefined, since: undefined, wrong: undefined };
  try {
    const keys = brought.keys ?? folderKeys(folder);
    const note = noteIn(folder);
    if (note === undefined && keys !== undefined) throw new TlogError("UNSIGNED", "there is no checkpoint, although the log has a verifier key: it was removed, or nothing was ever signed with that key");
    if (note === undefined || keys === undefined) {
      if (note !== undefined) throw new TlogError("UNSIGNED", "there is a checkpoint, and no verifier key to check it with: the file vkey was removed");
      if (brought.since !== undefined || brought.witnesses.length > 0) throw new TlogError("UNSIGNED", "the trail has no checkpoint");
      return head;
    }
    head.checkpoint = openCheckpoint(note, keys.name, keys.verifiers);
    head.report = { ...reportOf(head.checkpoint, note, brought.witnesses), keysFrom: brought.keys === undefined ? "folder" : "caller" };
    if (brought.since !== undefined) head.since = openCheckpoint(brought.since, keys.name, keys.verifiers);
    head.wrong = unwitnessed(head.report, brought.witnesses) ?? wentBack(head.checkpoint, head.since);
  } catch (failure) {
    if (!(failure instanceof TlogError)) throw failure;
    head.wrong = failure.message;
  }
  return head;
}

interface Brought {
  readonly keys: LogKeys | undefined;
  readonly witnesses: readonly CosignatureVerifier[];
  readonly since: string | Uint8Array | undefined;
}

function broughtBy({ vkeys, witnesses = [], since }: VerifyOptions): Brought {
  try {
    if (since !== undefined) peekCheckpoint(since);
    return { keys: vkeys === undefined ? undefined : logKeys(vkeys), witnesses: witnessKeys(witnesses), since };
  } catch (failure) {
    if (failure instanceof TlogError) throw new TypeError(failure.message, { cause: failure });
    throw failure;
  }
}

function folderKeys(folder: string): LogKeys | undefined {
  const vkeys = vkeysIn(folder);
  return vkeys === undefined ? undefined : logKeys(vkeys);
}

function reportOf({ origin, size, root, verified }: OpenedCheckpoint, note: string, witnesses: readonly CosignatureVerifier[]): Omit<CheckpointReport, "keysFrom"> {
  const { text, signatures } = parseNote(note);
  const witnessed = verifiedOnes(text, signatures, witnesses).map(({ name, signature }) => ({ name, unixSeconds: cosignedAt(signature) }));
  return { origin, size, root: root.toString("base64"), keyIds: verified.map(({ keyId }) => keyIdHex(keyId)), witnessed };
}

function unwitnessed({ witnessed }: CheckpointReport, witnesses: readonly CosignatureVerifier[]): string | undefined {
  const missing = witnesses.filter(({ name }) => !witnessed.some((one) => one.name === name));
  if (missing.length === 0) return undefined;
  return `the checkpoint was not cosigned by ${missing.map(({ name }) => name).join(", ")}: the witness was out of reach, or saw another history`;
}

function wentBack(checkpoint: OpenedCheckpoint, since: OpenedCheckpoint | undefined): string | undefined {
  if (since === undefined || since.size <= checkpoint.size) return undefined;
  return `the checkpoint covers ${checkpoint.size} records, and the earlier one ${since.size}: it was put back`;
}
