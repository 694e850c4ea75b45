/** Checkpoints: what a log says about itself at one moment, signed. */
import { TlogError } from "./errors.ts";
import { openNote, parseNote, signNote } from "./note.ts";
import type { NoteSignature } from "./note.ts";
import { EMPTY_ROOT } from "./hash.ts";
import { same } from "./proof.ts";
import type { Signer, Verifier } from "./signer.ts";
import { parseDecimal, parseHash, quoted } from "./text.ts";

export interface Checkpoint {
  /** Which log it is. */
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** Lines that no monitor checks; ours have none. */
  readonly extensions: readonly string[];
}

export interface OpenedCheckpoint extends Checkpoint {
  /** The signatures by the known keys. */
  readonly verified: readonly NoteSignature[];
}

export function formatCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  const lines = [origin, String(size), root.toString("base64"), ...extensions];
  const text = lines.map((line) => `${line}\n`).join("");
  parseCheckpoint(text);
  return text;
}

/** The text of a note, which somebody has verified. Every line in its one spelling, or it is refused. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n");
  const [origin, size, root, ...extensions] = lines.slice(0, -1);
  if (origin === undefined || size === undefined || root === undefined || lines.at(-1) !== "" || lines.slice(0, -1).includes("")) {
    throw new TlogError("MALFORMED", "a checkpoint has three lines or more, none of them empty: origin, size, root hash");
  }
  const checkpoint = { origin, size: parseDecimal(size, "the checkpoint's size"), root: parseHash(root, "the checkpoint's root hash"), extensions };
  if (checkpoint.size === 0 && !same(checkpoint.root, EMPTY_ROOT)) throw new TlogError("MALFORMED", "the checkpoint of an empty tree has another root hash than the empty tree");
  return checkpoint;
}

/** The same without asking who signed: for the size and origin of a checkpoint that is then opened or sent on. */
export function peekCheckpoint(note: string | Uint8Array): Checkpoint {
  return parseCheckpoint(parseNote(note).text);
}

export function signCheckpoint(checkpoint: Checkpoint, signers: readonly Signer[]): string {
  return signNote(formatCheckpoint(checkpoint), signers);
}

/** A checkpoint of this log, signed by one of its keys; whatever else signed it does not matter here. */
export function openCheckpoint(note: string | Uint8Array, origin: string, keys: readonly Verifier[]): OpenedCheckpoint {
  const { text, verified } = openNote(note, keys);
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== origin) throw new TlogError("WRONG_ORIGIN", `the checkpoint is of the log ${quoted(checkpoint.origin)}, not of ${quoted(origin)}`);
  return { ...checkpoint, verified };
}
