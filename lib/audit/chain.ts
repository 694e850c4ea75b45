/** The chain: each record names the leaf hash of the one before it, so that no record can change alone. */

/** What the first record of a trail names as its predecessor. */
export const NO_PREVIOUS: string = "0".repeat(64);

/**
 * Fills in `prev` in lines that lie side by side, each with its newline and {@link NO_PREVIOUS} in the place of its predecessor's hash;
 * `previous` is that of the first. Returns their leaf hashes, 64 digits each.
 */
export type Link = (lines: Buffer, previous: string) => string;

/** How the lines of a trail begin, and how they are linked. */
export interface Chain {
  /** See linePrefix. */
  readonly prefix: string;
  readonly link: Link;
}

export const LEAF_DIGITS = 64;
