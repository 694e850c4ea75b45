/** The hashes of an RFC 6962 Merkle tree over SHA-256. */
import { hash } from "node:crypto";

export const HASH_BYTES = 32;

/** The root of the tree without leaves. */
export const EMPTY_ROOT: Buffer = sha256("");

/** Prefix and two children; filled anew for each node, never handed out. One buffer, because a tree hashes millions of nodes. */
const pair = Buffer.alloc(1 + 2 * HASH_BYTES, 0x01);

/**
 * The hash of a record, in hex: its prefix keeps a record from ever passing for a node. Text is hashed as UTF-8. A string in and hex
 * out is the fastest that Node has, and what the trail's chain is written in; a tree makes bytes of it when it takes the leaf.
 */
export function leafHash(record: string | Uint8Array): string {
  if (typeof record === "string") return hash("sha256", `\0${record}`, "hex");
  const prefixed = Buffer.alloc(1 + record.length);
  prefixed.set(record, 1);
  return hash("sha256", prefixed, "hex");
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return sha256(pair);
}

/** By way of hex: asking for a Buffer at once takes four times as long in Node 20. */
export function sha256(data: string | Uint8Array): Buffer {
  return Buffer.from(hash("sha256", data, "hex"), "hex");
}

/** Folds neighbouring hashes of one height, a power of two of them, into the root above them. */
export type Fold = (hashes: Uint8Array) => Buffer;

/** In JavaScript, for readers that have no addon. */
export function fold(hashes: Uint8Array): Buffer {
  let row = split(hashes);
  while (row.length > 1) row = parents(row);
  const [root] = row;
  if (root === undefined) throw new RangeError("there is nothing to fold");
  return root;
}

/** Concatenated hashes, one by one; the parts share the memory of the whole. */
export function split(hashes: Uint8Array): Buffer[] {
  const count = hashes.length / HASH_BYTES;
  return Array.from({ length: count }, (_, i) => hashAt(hashes, i));
}

export function hashAt(hashes: Uint8Array, i: number): Buffer {
  return Buffer.from(hashes.buffer, hashes.byteOffset + i * HASH_BYTES, HASH_BYTES);
}

function parents(row: readonly Buffer[]): Buffer[] {
  const above: Buffer[] = [];
  for (let i = 1; i < row.length; i += 2) {
    const [left, right] = [row[i - 1], row[i]];
    if (left !== undefined && right !== undefined) above.push(nodeHash(left, right));
  }
  return above;
}
