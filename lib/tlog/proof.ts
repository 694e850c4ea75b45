/**
 * Proofs of RFC 6962: that a record stands at its place in a tree (inclusion), and that a tree is the beginning of another
 * (consistency). Making one lists the parts of the tree whose hashes it consists of; checking one needs those hashes alone.
 */
import { TlogError } from "./errors.ts";
import { EMPTY_ROOT, nodeHash } from "./hash.ts";
import type { Range, StoredTree } from "./tile-source.ts";
import { halfOf } from "./tile-source.ts";

export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Hashes from the leaf's sibling up to the root's child. */
export function inclusionProof(tree: StoredTree, index: number): Buffer[] {
  if (!isCount(index) || index >= tree.size) throw new TlogError("OUT_OF_RANGE", `a tree of ${tree.size} records has no record ${index}`);
  return inclusionRanges(index, tree.size).map((range) => tree.hash(range));
}

/** From a tree of `size` to the whole of `tree`; nothing where they are the same, or where the first is empty. */
export function consistencyProof(tree: StoredTree, size: number): Buffer[] {
  if (!isCount(size) || size > tree.size) throw new TlogError("OUT_OF_RANGE", `a tree of ${tree.size} records has no beginning of ${size}`);
  if (size === 0 || size === tree.size) return [];
  return consistencyRanges(size, tree.size).map((range) => tree.hash(range));
}

/** The record with this leaf hash stands at `index` of the tree, or an error is thrown. RFC 9162, section 2.1.3.2. */
export function verifyInclusion(leaf: Uint8Array, index: number, tree: TreeHead, proof: readonly Uint8Array[]): void {
  if (!isCount(index) || index >= tree.size) throw new TlogError("OUT_OF_RANGE", `a tree of ${tree.size} records has no record ${index}`);
  const path = new Path(index, tree.size - 1);
  let root = leaf;
  for (const hash of proof) {
    root = path.isRight() ? nodeHash(hash, root) : nodeHash(root, hash);
    path.up();
  }
  if (!path.isAtRoot() || !same(root, tree.root)) {
    throw new TlogError("PROOF_FAILED", `the hashes do not lead from record ${index} to the root of the tree of ${tree.size} records`);
  }
}

/** `old` is the beginning of `tree`, or an error is thrown. RFC 9162, section 2.1.4.2. */
export function verifyConsistency(old: TreeHead, tree: TreeHead, proof: readonly Uint8Array[]): void {
  if (!isCount(old.size) || !isCount(tree.size) || old.size > tree.size) {
    throw new TlogError("OUT_OF_RANGE", `a tree of ${tree.size} records has no beginning of ${old.size}`);
  }
  const proven = old.size === 0 || old.size === tree.size ? trivially(old, tree, proof) : byHashes(old, tree, proof);
  if (!proven) throw new TlogError("INCONSISTENT", `the tree of ${old.size} records was not shown to be the beginning of the tree of ${tree.size}`);
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function trivially(old: TreeHead, tree: TreeHead, proof: readonly Uint8Array[]): boolean {
  return proof.length === 0 && same(old.root, old.size === 0 ? EMPTY_ROOT : tree.root);
}

function byHashes(old: TreeHead, tree: TreeHead, proof: readonly Uint8Array[]): boolean {
  const path = new Path(old.size - 1, tree.size - 1);
  path.skipRights();
  // A perfect old tree is itself the first hash, so the proof leaves it out.
  const [seed, ...rest] = path.isLeftmost() ? [old.root, ...proof] : proof;
  if (seed === undefined) return false;
  let [before, after] = [seed, seed];
  for (const hash of rest) {
    if (path.isRight()) before = nodeHash(hash, before);
    after = path.isRight() ? nodeHash(hash, after) : nodeHash(after, hash);
    path.up();
  }
  return path.isAtRoot() && same(before, old.root) && same(after, tree.root);
}

/** A way from a leaf up to the root: its number among the nodes of each height, and that of the last node. */
class Path {
  #node: number;
  #last: number;
  #beyond = false;

  constructor(node: number, last: number) {
    this.#node = node;
    this.#last = last;
  }

  /** The sibling stands on the left: either the number is odd, or the node is the last of its height and has no right one. */
  isRight(): boolean {
    return this.#node % 2 === 1 || this.#node === this.#last;
  }

  /** To the parent; a last node without a sibling rises until it is somebody's right child. */
  up(): void {
    if (this.#last === 0) this.#beyond = true;
    if (this.isRight()) while (this.#node % 2 === 0 && this.#node !== 0) this.#rise();
    this.#rise();
  }

  skipRights(): void {
    while (this.#node % 2 === 1) this.#rise();
  }

  isLeftmost(): boolean {
    return this.#node === 0;
  }

  /** Exactly there: neither below the root nor past it. */
  isAtRoot(): boolean {
    return this.#last === 0 && !this.#beyond;
  }

  #rise(): void {
    this.#node = Math.floor(this.#node / 2);
    this.#last = Math.floor(this.#last / 2);
  }
}

/** PATH of RFC 6962, section 2.1.1, without its hashes. */
function inclusionRanges(index: number, size: number): Range[] {
  const down: Range[] = [];
  for (let [from, to] = [0, size]; to - from > 1; ) {
    const middle = from + halfOf(to - from);
    down.push(index < middle ? { from: middle, to } : { from, to: middle });
    [from, to] = index < middle ? [from, middle] : [middle, to];
  }
  return down.reverse();
}

/** SUBPROOF of RFC 6962, section 2.1.2, without its hashes. */
function consistencyRanges(old: number, size: number): Range[] {
  const down: Range[] = [];
  let [from, to] = [0, size];
  while (to !== old) {
    const middle = from + halfOf(to - from);
    down.push(old <= middle ? { from: middle, to } : { from, to: middle });
    [from, to] = old <= middle ? [from, middle] : [middle, to];
  }
  // The whole old tree needs no hash: whoever checks has its root.
  if (from > 0) down.push({ from, to });
  return down.reverse();
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
