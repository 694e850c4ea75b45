/**
 * The right edge of a growing tree: the roots of its perfect subtrees, largest first. That is all a tree needs to grow and to
 * know its root: about one hash of work for a leaf, and never more than 53 hashes of memory.
 */
import { EMPTY_ROOT, HASH_BYTES, nodeHash } from "./hash.ts";
import { TlogError } from "./errors.ts";

/** Told of each leaf (height 0) and of each perfect subtree that an appended leaf completes, from below. */
export type Completed = (height: number, hash: Buffer) => void;

export class Frontier {
  #size = 0;
  readonly #roots: Buffer[] = [];

  /** Goes on where {@link hashes} of a tree of `size` leaves was taken. */
  static restore(size: number, hashes: readonly Uint8Array[]): Frontier {
    if (!Number.isSafeInteger(size) || size < 0) throw new TlogError("OUT_OF_RANGE", `${size} is no size of a tree`);
    const wanted = subtreeCount(size);
    if (hashes.length !== wanted || hashes.some((hash) => hash.length !== HASH_BYTES)) {
      throw new TlogError("MALFORMED", `the edge of a tree of ${size} leaves has ${wanted} hashes of ${HASH_BYTES} bytes each`);
    }
    const frontier = new Frontier();
    frontier.#size = size;
    frontier.#roots.push(...hashes.map((hash) => Buffer.from(hash)));
    return frontier;
  }

  get size(): number {
    return this.#size;
  }

  /** Roots of the perfect subtrees, largest first: with the size, all that {@link restore} needs. */
  get hashes(): readonly Buffer[] {
    return this.#roots;
  }

  append(leaf: Buffer, completed?: Completed): void {
    let hash = leaf;
    let height = 0;
    completed?.(height, hash);
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      const left = this.#roots.pop();
      if (left === undefined) throw new Error("the tree's edge has fewer hashes than its size says");
      hash = nodeHash(left, hash);
      completed?.(height += 1, hash);
    }
    this.#roots.push(hash);
    this.#size += 1;
  }

  root(): Buffer {
    const last = this.#roots.at(-1);
    if (last === undefined) return EMPTY_ROOT;
    return this.#roots.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last);
  }
}

/** As many as the size has ones in binary. */
function subtreeCount(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}
