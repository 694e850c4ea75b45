/** C2SP signed notes: a text and the signatures of those who vouch for it. */
import { isUtf8 } from "node:buffer";
import { TlogError } from "./errors.ts";
import { isKeyName } from "./key-name.ts";
import type { Signer, Verifier } from "./signer.ts";
import { parseBase64, quoted } from "./text.ts";

/** What x/mod/sumdb/note accepts; the specification asks for 16 at least. */
const SIGNATURES_MAX = 100;
/** Room for that many post-quantum signatures of 5 kB. */
const NOTE_BYTES_MAX = 1_000_000;
const KEY_ID_BYTES = 4;
const DASH = "\u2014 ";
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

export interface NoteSignature {
  readonly name: string;
  readonly keyId: number;
  /** What follows the key id: for a plain Ed25519 signature its 64 bytes. */
  readonly signature: Buffer;
}

export interface Note {
  /** Ends with a newline; the blank line behind it is not part of it. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** A note at least one of whose signatures is by a known key, and none of a known key is wrong. */
export interface OpenedNote extends Note {
  readonly verified: readonly NoteSignature[];
}

/** Says nothing about who signed: the text must not be used before {@link openNote}. */
export function parseNote(note: string | Uint8Array): Note {
  const whole = textOf(note);
  const end = whole.lastIndexOf("\n\n");
  if (end === -1 || !whole.endsWith("\n")) throw new TlogError("MALFORMED", "a signed note is a text, a blank line and lines of signatures, each ended by a newline");
  const lines = whole.slice(end + 2, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) throw new TlogError("MALFORMED", `the note has ${lines.length} signatures; ${SIGNATURES_MAX} are the most`);
  return { text: whole.slice(0, end + 1), signatures: lines.map(parseSignatureLine) };
}

export function formatNote({ text, signatures }: Note): string {
  checkText(text);
  return `${text}\n${signatures.map(formatSignatureLine).join("")}`;
}

/** Unknown signatures are ignored, as the specification demands: new keys and witnesses must not disturb old readers. */
export function openNote(note: string | Uint8Array, verifiers: readonly Verifier[]): OpenedNote {
  const { text, signatures } = parseNote(note);
  const verified = verifiedOnes(text, signatures, verifiers);
  if (verified.length > 0) return { text, signatures, verified };
  throw new TlogError("UNSIGNED", `none of the ${verifiers.length} known keys signed the note; it is signed by ${signatures.map(({ name }) => quoted(name)).join(", ")}`);
}

/** The signatures by known keys; a wrong one among them throws. */
export function verifiedOnes(text: string, signatures: readonly NoteSignature[], verifiers: readonly Verifier[]): NoteSignature[] {
  const verified = new Map<Verifier, NoteSignature>();
  for (const one of signatures) {
    const verifier = verifiers.find((known) => isBy(one, known));
    // A repeated signature counts once, and the first is the one that counts.
    if (verifier === undefined || verified.has(verifier)) continue;
    if (!verifier.verify(text, one.signature)) throw new TlogError("BAD_SIGNATURE", `the signature of ${one.name} does not fit the text: one of them was changed`);
    verified.set(verifier, one);
  }
  return [...verified.values()];
}

export function signNote(text: string, signers: readonly Signer[]): string {
  const signatures = signers.map((signer) => ({ name: signer.name, keyId: signer.keyId, signature: signer.sign(text) }));
  return formatNote({ text, signatures });
}

/** The note with these signatures too; one of a key that signed before takes the older one's place. */
export function addSignatures(note: Note, added: readonly NoteSignature[]): Note {
  const kept = note.signatures.filter((one) => !added.some((other) => isBy(one, other)));
  return { text: note.text, signatures: [...kept, ...added] };
}

export function isBy(one: { name: string; keyId: number }, other: { name: string; keyId: number }): boolean {
  return one.name === other.name && one.keyId === other.keyId;
}

/** Without its newline. */
export function parseSignatureLine(line: string): NoteSignature {
  const [, name = "", base64 = ""] = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
  if (!isKeyName(name)) throw new TlogError("MALFORMED", `${quoted(line)} is no line of a signature`);
  const bytes = parseBase64(base64, `the signature of ${quoted(name)}`);
  if (bytes.length <= KEY_ID_BYTES) throw new TlogError("MALFORMED", `the signature of ${quoted(name)} is empty`);
  return { name, keyId: bytes.readUInt32BE(0), signature: bytes.subarray(KEY_ID_BYTES) };
}

export function formatSignatureLine({ name, keyId, signature }: NoteSignature): string {
  const id = Buffer.alloc(KEY_ID_BYTES);
  id.writeUInt32BE(keyId);
  return `${DASH}${name} ${Buffer.concat([id, signature]).toString("base64")}\n`;
}

function textOf(note: string | Uint8Array): string {
  const bytes = typeof note === "string" ? Buffer.from(note) : Buffer.from(note);
  if (bytes.length > NOTE_BYTES_MAX) throw new TlogError("MALFORMED", `the note has ${bytes.length} bytes; ${NOTE_BYTES_MAX} are the most`);
  if (!isUtf8(bytes)) throw new TlogError("MALFORMED", "the note is not UTF-8");
  const text = bytes.toString("utf8");
  if (CONTROL.test(text)) throw new TlogError("MALFORMED", "the note holds a control character");
  return text;
}

function checkText(text: string): void {
  if (!text.endsWith("\n") || !text.isWellFormed() || CONTROL.test(text)) {
    throw new TlogError("MALFORMED", "a note's text ends with a newline and holds no other control character");
  }
}
