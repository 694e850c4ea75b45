/** How a model's digests came about, as it is told to callers, to the trail and to the log. */
import type { DigestDetails, RecordDetails } from "./audit/event-details.ts";
import { IMPLEMENTATIONS } from "./implementations.ts";
import type { NativeRecordNotes, NativeVerdict, ProofName, RecordReason } from "./native.ts";

/** What proves that a model has its SHA-256. */
export interface Proof {
  /**
   * `sha256`: it was computed from the bytes now. `tiles`: every tile has the value that it had when it was computed. Without reading
   * more than the header: `fs-verity`: the kernel holds the file to the digest of those bytes; `identity`: it is the inode that had them.
   */
  readonly by: ProofName;
  /** Unless it was computed now: when it was, by the authenticated record. */
  readonly recordedAt: Date | undefined;
  /** Why the record of an earlier verification was not believed, where there was one (README, "Records"). */
  readonly recordIgnored: RecordReason | undefined;
}

export function proofOf({ proof, records }: Pick<NativeVerdict, "proof" | "records">): Proof {
  const recordedAt = proof?.recordedMs === undefined ? undefined : new Date(proof.recordedMs);
  return { by: proof?.by ?? "sha256", recordedAt, recordIgnored: records?.ignoredReason };
}

/** What the trail says of the digests, beside the SHA-256 that stands in the target. */
export function proofDetails(verdict: Pick<NativeVerdict, "blake3" | "proof" | "records">): DigestDetails & RecordDetails {
  const { by, recordedAt } = proofOf(verdict);
  return {
    blake3: verdict.blake3,
    proof: by,
    recordedAt: recordedAt?.toISOString(),
    sha256By: IMPLEMENTATIONS.sha256,
    blake3By: IMPLEMENTATIONS.blake3,
    ...recordDetails(verdict.records),
  };
}

/** What became of records; an ignored one stands in the trail of a refusal too. */
export function recordDetails(notes: NativeRecordNotes | undefined): RecordDetails {
  return {
    recordIgnored: notes?.ignoredReason,
    recordStored: notes?.stored === true ? true : undefined,
    recordNotStoredBecause: notes?.storeFailure,
  };
}

/** Tells an operator who reads no trail; each kind of trouble once a loader, for a record is asked for at every load. */
export class RecordWarnings {
  readonly #told = new Set<string>();

  tell(notes: NativeRecordNotes | undefined): void {
    const { ignoredReason, ignoredMessage, storeFailure } = notes ?? {};
    if (ignoredReason !== undefined) {
      this.#once(`MODEL_LOADER_RECORD_IGNORED ${ignoredReason}`, `a record of an earlier verification was ignored (${ignoredReason}): ${ignoredMessage ?? ""}`);
    }
    if (storeFailure !== undefined) this.#once("MODEL_LOADER_RECORD_NOT_STORED", `a verification was not recorded: ${storeFailure}`);
  }

  #once(kind: string, message: string): void {
    if (this.#told.has(kind)) return;
    this.#told.add(kind);
    process.emitWarning(message, { code: kind.split(" ", 1)[0] ?? kind });
  }
}
