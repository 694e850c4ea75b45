/** Which instructions compute the digests on this processor. */
import { native } from "./native.ts";

/** Names of instruction sets, such as `x86 SHA-NI` and `x86 AVX-512`, or `portable`. */
export interface Implementations {
  readonly sha256: string;
  readonly blake3: string;
}

const { sha256, blake3 } = native.about();

export const IMPLEMENTATIONS: Implementations = Object.freeze({ sha256, blake3 });
