/** Why a witness gave no cosignature, in the few words that a counter can carry. */
import { TlogError } from "../tlog/errors.ts";

/** `inconsistent`: it saw another or a longer history of this log. The trail was put back, or is signed in two places. */
export const WITNESS_FAILURE_REASONS = ["unreachable", "refused", "inconsistent"] as const;
export type WitnessFailureReason = (typeof WITNESS_FAILURE_REASONS)[number];

export function witnessReason(failure: unknown): WitnessFailureReason {
  const code = failure instanceof TlogError ? failure.code : "WITNESS_UNREACHABLE";
  if (code === "WITNESS_AHEAD" || code === "WITNESS_BAD_PROOF") return "inconsistent";
  return code === "WITNESS_UNREACHABLE" || code === "WITNESS_TIMEOUT" ? "unreachable" : "refused";
}
