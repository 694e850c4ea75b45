/**
 * C2SP tlog proofs: one file that shows, without this program and without a network, that a record stands in a log. It holds the
 * record's index, the inclusion proof and the signed checkpoint; whoever checks it brings the record and the keys.
 */
import { openCheckpoint, peekCheckpoint } from "./checkpoint.ts";
import type { OpenedCheckpoint } from "./checkpoint.ts";
import { cosignedAt } from "./cosignature.ts";
import type { CosignatureVerifier } from "./cosignature.ts";
import { TlogError, within } from "./errors.ts";
import { parseNote, verifiedOnes } from "./note.ts";
import { inclusionProof, verifyInclusion } from "./proof.ts";
import type { Verifier } from "./signer.ts";
import { parseBase64, parseDecimal, parseHash, quoted } from "./text.ts";
import { StoredTree } from "./tile-source.ts";
import type { TileSource } from "./tile-source.ts";

const FIRST_LINE = "c2sp.org/tlog-proof@v1";
/** A path through a tree of up to 2^53 leaves is shorter. */
const HASHES_MAX = 63;

export interface TlogProof {
  readonly index: number;
  readonly hashes: readonly Buffer[];
  /** The signed note, byte for byte. */
  readonly checkpoint: string;
  /** Not authenticated by anything. */
  readonly extra?: Buffer | undefined;
}

/** What one is willing to believe. */
export interface ProofPolicy {
  readonly origin: string;
  readonly logKeys: readonly Verifier[];
  readonly witnesses?: readonly CosignatureVerifier[];
  /** How many of the witnesses must have cosigned. */
  readonly quorum?: number;
}

export interface ProvenRecord {
  readonly checkpoint: OpenedCheckpoint;
  /** Who saw the checkpoint, and when. */
  readonly witnessed: readonly { readonly name: string; readonly unixSeconds: number }[];
}

/** For the record at `index`, whose leaf hash the caller knows; checked before it is given away, because tiles can be damaged. */
export function buildProof(source: TileSource, index: number, leaf: Uint8Array, checkpoint: string): TlogProof {
  const head = peekCheckpoint(checkpoint);
  const hashes = inclusionProof(new StoredTree(source, head.size), index);
  verifyInclusion(leaf, index, head, hashes);
  return { index, hashes, checkpoint };
}

export function formatProof({ index, hashes, checkpoint, extra }: TlogProof): string {
  const lines = [FIRST_LINE];
  if (extra !== undefined) lines.push(`extra ${extra.toString("base64")}`);
  lines.push(`index ${index}`, ...hashes.map((hash) => hash.toString("base64")), "");
  const text = lines.map((line) => `${line}\n`).join("") + checkpoint;
  parseProof(text);
  return text;
}

/** Says nothing about whether it is true: that is {@link verifyProof}. */
export function parseProof(text: string): TlogProof {
  const end = text.indexOf("\n\n");
  if (end === -1) throw new TlogError("MALFORMED", "the proof has no blank line before its checkpoint");
  const [first = "", ...lines] = text.slice(0, end).split("\n");
  if (first !== FIRST_LINE) throw new TlogError("MALFORMED", `the proof begins with ${quoted(first)} instead of ${FIRST_LINE}`);
  const extra = lines[0]?.startsWith("extra ") === true ? parseBase64(lines.shift()?.slice(6) ?? "", "the proof's extra data") : undefined;
  const checkpoint = text.slice(end + 2);
  within("the proof's checkpoint", () => peekCheckpoint(checkpoint));
  return { ...place(lines), checkpoint, extra };
}

/** The record with this leaf hash stands where the proof says, in a checkpoint that the policy believes; or an error says why not. */
export function verifyProof(proof: TlogProof, leaf: Uint8Array, policy: ProofPolicy): ProvenRecord {
  const checkpoint = within("the proof's checkpoint", () => openCheckpoint(proof.checkpoint, policy.origin, policy.logKeys));
  const witnessed = witnessesOf(proof.checkpoint, policy);
  verifyInclusion(leaf, proof.index, checkpoint, proof.hashes);
  return { checkpoint, witnessed };
}

function place([line = "", ...hashes]: readonly string[]): { index: number; hashes: Buffer[] } {
  if (!line.startsWith("index ")) throw new TlogError("MALFORMED", `the proof has ${quoted(line)} where its index should be`);
  if (hashes.length > HASHES_MAX) throw new TlogError("MALFORMED", `the proof has ${hashes.length} hashes; ${HASHES_MAX} are the most`);
  const index = parseDecimal(line.slice(6), "the proof's index");
  return { index, hashes: hashes.map((hash) => parseHash(hash, "a hash of the proof")) };
}

function witnessesOf(checkpoint: string, { witnesses = [], quorum = 0 }: ProofPolicy): ProvenRecord["witnessed"] {
  const { text, signatures } = parseNote(checkpoint);
  const verified = verifiedOnes(text, signatures, witnesses);
  if (verified.length < quorum) throw new TlogError("UNSIGNED", `${verified.length} of the known witnesses cosigned the checkpoint; ${quorum} are asked for`);
  return verified.map(({ name, signature }) => ({ name, unixSeconds: cosignedAt(signature) }));
}
