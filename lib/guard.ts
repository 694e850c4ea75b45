/** Guards: what keeps a model's bytes from changing between the verdict and their use. */
import type { GuardDetails, ProtectionDetails } from "./audit/event-details.ts";
import type { NativeVerdict } from "./native.ts";

/**
 * The weakest first. `pinned`: the inode is held, its bytes are not. `leased`: a read lease has kept writers out since
 * before the first byte was read. `sealed`: the model is a copy in sealed memory. `fs-verity`: the kernel checks each page.
 */
export type GuardName = "pinned" | "leased" | "sealed" | "fs-verity";

export const GUARDS: readonly GuardName[] = ["pinned", "leased", "sealed", "fs-verity"];

/** The guard of an accepted model, as the trail tells it. Nothing for a buffer, which has no file. */
export function guardDetails(verdict: NativeVerdict): GuardDetails {
  if (verdict.model === undefined) return {};
  return { guard: verdict.model.guard(), guardShortfall: verdict.guardShortfall, verityDigest: verdict.verityDigest };
}

/** What the trail says of a file that was protected. */
export function protectionDetails({ verityDigest, protection }: NativeVerdict): ProtectionDetails {
  return { verityDigest, already: protection?.already, compared: protection?.compared };
}
