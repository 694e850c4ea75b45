/** The chain: each record names the leaf hash of the one before it, so that no record can change alone. */
import { hash } from "node:crypto";

/** What the first record of a trail names as its predecessor. */
export const NO_PREVIOUS: string = "0".repeat(64);

/** The RFC 6962 leaf hash of a line without its newline: the same hash is a leaf of the Merkle tree. */
export function leafHash(line: string): string {
  return hash("sha256", `\0${line}`, "hex");
}
