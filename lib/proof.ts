/** How a model's digests came about, as it is told to callers and to the trail. */
import type { AuditEvent } from "./audit/events.ts";
import { IMPLEMENTATIONS } from "./implementations.ts";
import type { NativeVerdict } from "./native.ts";

/** What the trail says of the digests, beside the SHA-256 that stands in the target. */
export function proofDetails(verdict: Pick<NativeVerdict, "blake3">): NonNullable<AuditEvent["details"]> {
  return {
    blake3: verdict.blake3,
    sha256By: IMPLEMENTATIONS.sha256,
    blake3By: IMPLEMENTATIONS.blake3,
  };
}
