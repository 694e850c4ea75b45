/** What calls that hand nothing over tell of a model. */
import type { GgufView } from "./gguf-view.ts";
import type { Proof } from "./proof.ts";

/** What a buffer was found to be. */
export interface BytesReport {
  readonly sha256: string;
  /** BLAKE3 of the same bytes in lower-case hex: what `b3sum` says of them. */
  readonly blake3: string;
  readonly sizeBytes: number;
  readonly digestExpected: boolean;
  readonly gguf: GgufView;
  /** Set only under `onAuditFailure: "continue"`: why this decision is not in the trail. */
  readonly auditError: Error | undefined;
}

/** A file that can no longer be changed, only replaced. */
export interface ProtectReport extends BytesReport {
  /** The digest that the kernel holds every page of the file to, as `sha256:HEX`: what `fsverity digest` says of it. */
  readonly verityDigest: string;
  /** True where the file had been protected before. */
  readonly alreadyProtected: boolean;
  /** Whether the kernel's digest was found equal to one made from the bytes that were verified. False only where somebody
   * else protected the file with a salt, other blocks or another algorithm. */
  readonly digestCompared: boolean;
  /** What proves the SHA-256. */
  readonly proof: Proof;
}

/** What a header says. No digest was computed, and the tensors' bytes were not read. */
export interface InspectReport {
  readonly verified: false;
  readonly sizeBytes: number;
  readonly gguf: GgufView;
}
