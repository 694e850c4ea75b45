/** What is wrong with a proof, a note, a tile or a witness's answer. Codes are stable; messages say what to do. */

export type TlogErrorCode =
  /** The bytes are no signed note, vkey, checkpoint, tile, entry bundle or proof: they break a rule of their format. */
  | "MALFORMED"
  /** The key is of another kind, belongs to another name, or its file is not its owner's alone. */
  | "BAD_KEY"
  /** A known key's signature does not fit the text: the text was changed, or the signature. */
  | "BAD_SIGNATURE"
  /** No known key signed it, or too few witnesses did. */
  | "UNSIGNED"
  /** The checkpoint is of another log than the one asked for. */
  | "WRONG_ORIGIN"
  /** An index or size that the tree does not have. */
  | "OUT_OF_RANGE"
  /** A tile that the tree's size calls for is not there. */
  | "TILE_MISSING"
  /** The hashes do not lead to the root: not this record, not this tree, or damaged on the way. */
  | "PROOF_FAILED"
  /** Two trees of which neither is the beginning of the other. */
  | "INCONSISTENT"
  /** Tiles waited too long to be written and were let go; the records still have all that they held. */
  | "TILES_BEHIND"
  | WitnessErrorCode;

export type WitnessErrorCode =
  | "WITNESS_UNREACHABLE"
  | "WITNESS_TIMEOUT"
  /** 404: it does not watch this log. */
  | "WITNESS_UNKNOWN_LOG"
  /** 403: it knows another key for this log. */
  | "WITNESS_BAD_SIGNATURE"
  /** 422: our proof does not satisfy it. It saw another history than ours. */
  | "WITNESS_BAD_PROOF"
  /** It has cosigned a larger tree than ours: this log was cut, or is signed in two places. */
  | "WITNESS_AHEAD"
  /** Any answer that the protocol does not have, such as 400, 500, a redirect or cosignatures that do not verify. */
  | "WITNESS_BAD_ANSWER";

export class TlogError extends Error {
  override readonly name = "TlogError";
  readonly code: TlogErrorCode;

  constructor(code: TlogErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Runs a parser of a part and says which whole the part was in. */
export function within<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (failure) {
    if (failure instanceof TlogError) throw new TlogError(failure.code, `${what}: ${failure.message}`, failure);
    throw failure;
  }
}
