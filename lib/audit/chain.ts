/** The chain: each record names the leaf hash of the one before it, so that no record can change alone. */

/** What the first record of a trail names as its predecessor. */
export const NO_PREVIOUS: string = "0".repeat(64);
