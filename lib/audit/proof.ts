/** Offline evidence for one record: made from a trail's folder, and checked without it. */
import { access } from "node:fs/promises";
import { resolve } from "node:path";
import { bagOf, namesOf } from "../option-bag.ts";
import { openCheckpoint } from "../tlog/checkpoint.ts";
import type { OpenedCheckpoint } from "../tlog/checkpoint.ts";
import { TlogError } from "../tlog/errors.ts";
import { leafHash } from "../tlog/hash.ts";
import { TileFolder } from "../tlog/tile-folder.ts";
import { buildProof, formatProof, parseProof, verifyProof } from "../tlog/tlog-proof.ts";
import { placesIn } from "./folder.ts";
import { RECORD_BYTES_MAX } from "./record.ts";
import { trailLines } from "./records.ts";
import { logKeys, noteIn, vkeysIn, witnessKeys } from "./trust.ts";

export interface RecordProof {
  readonly seq: number;
  /** The record's exact bytes (ASCII, without its newline): what the proof is about. */
  readonly record: string;
  /** C2SP `tlog-proof@v1`: index, hashes and the signed checkpoint. */
  readonly proof: string;
  /** Records that the checkpoint covers. */
  readonly size: number;
  /** The name under which the tree is signed. */
  readonly origin: string;
}

export interface ProveOptions {
  /** Verifier keys that you have from elsewhere. Default: those in the folder. */
  readonly vkeys?: readonly string[];
}

const PROVE_NAMES = namesOf<ProveOptions>({ vkeys: true });
const CHECK_NAMES = namesOf<CheckOptions>({ vkeys: true, witnesses: true, quorum: true });

/**
 * Proves that record `seq` stands in the trail in `dir`, with the checkpoint that the folder has. Rejects with a TlogError whose code
 * says why not: OUT_OF_RANGE (no checkpoint covers it yet), PROOF_FAILED (the trail or its tiles are damaged), TILE_MISSING, UNSIGNED; with a
 * system error where the folder cannot be read.
 */
export async function proveRecord(dir: string, seq: number, options: ProveOptions = {}): Promise<RecordProof> {
  bagOf(options, "options", PROVE_NAMES);
  if (!Number.isSafeInteger(seq) || seq < 0) throw new TypeError("seq must be the number of a record: a whole number from 0 on");
  const { folder, log } = placesIn(resolve(dir));
  await access(log);
  const { note, origin, size } = signedNote(folder, options.vkeys);
  if (seq >= size) throw new TlogError("OUT_OF_RANGE", `record ${seq} is not covered by the checkpoint, which is of ${size} records: wait for the next one, or close the log`);
  const record = await lineOf(folder, seq);
  const proof = formatProof(buildProof(new TileFolder(folder), seq, leafOf(record), note));
  return { seq, record, proof, size, origin };
}

export interface CheckOptions {
  /** Verifier keys of the log, from a place that you trust. */
  readonly vkeys: readonly string[];
  /** Cosignature keys of witnesses that you trust. */
  readonly witnesses?: readonly string[];
  /** How many of them must have cosigned. Default: all of them. */
  readonly quorum?: number;
}

export interface CheckedProof {
  readonly seq: number;
  readonly origin: string;
  readonly size: number;
  readonly witnessed: readonly { readonly name: string; readonly unixSeconds: number }[];
}

/** The record stands in the log, as the proof says, or a TlogError says why that is not shown. Needs no folder and no network. */
export function checkProof(proof: string, record: string | Uint8Array, options: CheckOptions): CheckedProof {
  bagOf(options, "options", CHECK_NAMES);
  const { name, verifiers } = logKeys(options.vkeys);
  const witnesses = witnessKeys(options.witnesses ?? []);
  const parsed = parseProof(proof);
  const policy = { origin: name, logKeys: verifiers, witnesses, quorum: options.quorum ?? witnesses.length };
  const { checkpoint, witnessed } = verifyProof(parsed, leafOf(bytesOf(record)), policy);
  return { seq: parsed.index, origin: checkpoint.origin, size: checkpoint.size, witnessed };
}

function leafOf(record: string | Uint8Array): Buffer {
  return Buffer.from(leafHash(record), "hex");
}

/** A record has no newline; a file that was saved with one is forgiven it. */
function bytesOf(record: string | Uint8Array): Buffer {
  const bytes = Buffer.from(record);
  const end = bytes.at(-1) === 0x0a ? bytes.length - 1 : bytes.length;
  if (end > RECORD_BYTES_MAX) throw new TlogError("MALFORMED", `the record has ${end} bytes; ${RECORD_BYTES_MAX} are the most`);
  return bytes.subarray(0, end);
}

function signedNote(folder: string, given: readonly string[] | undefined): OpenedCheckpoint & { note: string } {
  const note = noteIn(folder);
  const vkeys = given ?? vkeysIn(folder);
  if (note === undefined || vkeys === undefined) throw new TlogError("UNSIGNED", "the trail has no signed checkpoint; open it for writing with checkpoints on, and close it");
  const { name, verifiers } = logKeys(vkeys);
  return { ...openCheckpoint(note, name, verifiers), note };
}

async function lineOf(folder: string, seq: number): Promise<string> {
  for await (const [line] of trailLines(folder, seq)) {
    if (line?.seq === seq) return line.text;
    if (line !== undefined) break;
  }
  throw new TlogError("PROOF_FAILED", `record ${seq} is missing, although the checkpoint covers it: it was pruned, or the trail is damaged`);
}
