/** Where tiles are read from, and how hashes of any part of the tree are made from them. */
import { TlogError } from "./errors.ts";
import { fold, HASH_BYTES, nodeHash } from "./hash.ts";
import type { Tile } from "./tile.ts";
import { TILE_WIDTH, tileAt, tilePath } from "./tile.ts";

/**
 * Reads the hashes of a tile: exactly `width` of them, from the partial tile or from a wider one of the same place. Synchronous,
 * because a proof takes a handful of small files, and one is needed where a process exits.
 */
export interface TileSource {
  read(tile: Tile): Buffer;
}

/** Leaves `from` (included) to `to` (excluded). */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A tree of `size` leaves whose hashes lie in tiles. Each tile is read once, however many hashes are asked for. */
export class StoredTree {
  readonly size: number;
  readonly #source: TileSource;
  readonly #read = new Map<string, Buffer>();

  constructor(source: TileSource, size: number) {
    if (!Number.isSafeInteger(size) || size < 0) throw new TlogError("OUT_OF_RANGE", `${size} is no size of a tree`);
    this.#source = source;
    this.size = size;
  }

  /** The Merkle tree hash of a range that begins at a multiple of every power of two below its length. */
  hash({ from, to }: Range): Buffer {
    const half = halfOf(to - from);
    if (half * 2 === to - from || to - from === 1) return this.#perfect(from, to - from);
    return nodeHash(this.#perfect(from, half), this.hash({ from: from + half, to }));
  }

  /** The root of a perfect subtree: some hashes of one tile, folded. */
  #perfect(from: number, count: number): Buffer {
    let level = 0;
    let unit = 1;
    // The highest level of tiles whose hashes still divide the subtree.
    while (unit * TILE_WIDTH <= count) [level, unit] = [level + 1, unit * TILE_WIDTH];
    const first = from / unit;
    const tile = tileAt(level, Math.floor(first / TILE_WIDTH), this.size);
    const start = first % TILE_WIDTH;
    const hashes = this.#tile(tile);
    if (start + count / unit > tile.width) throw new TlogError("OUT_OF_RANGE", `leaf ${from + count - 1} is beyond a tree of ${this.size}`);
    return fold(hashes.subarray(start * HASH_BYTES, (start + count / unit) * HASH_BYTES));
  }

  #tile(tile: Tile): Buffer {
    const path = tilePath(tile);
    const known = this.#read.get(path);
    if (known !== undefined) return known;
    const hashes = this.#source.read(tile);
    if (hashes.length !== tile.width * HASH_BYTES) {
      throw new TlogError("MALFORMED", `${path} has ${hashes.length} bytes instead of ${tile.width * HASH_BYTES}`);
    }
    this.#read.set(path, hashes);
    return hashes;
  }
}

/** The largest power of two below `count`; 1 for 1. */
export function halfOf(count: number): number {
  let half = 1;
  while (half * 2 < count) half *= 2;
  return half;
}

/** The leaf hash of a record. */
export function leafOf(tree: StoredTree, index: number): Buffer {
  return tree.hash({ from: index, to: index + 1 });
}

