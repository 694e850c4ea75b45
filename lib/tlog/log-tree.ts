/**
 * A log's growing tree together with its tiles: takes leaf hashes at the speed of the log, keeps the tiles that nobody has
 * written yet, and says which files make the tree of the moment readable. It touches no file itself.
 */
import { EdgeTile } from "./edge-tile.ts";
import type { TileFile } from "./edge-tile.ts";
import { TlogError } from "./errors.ts";
import { Frontier } from "./frontier.ts";
import { fold, HASH_BYTES } from "./hash.ts";
import type { Fold } from "./hash.ts";
import { hashesAt, TILE_WIDTH, tileAt, tilePath } from "./tile.ts";
import type { TileSource } from "./tile-source.ts";

/** 32 MiB, about a million records: more waits only where tiles cannot be written at all. */
const WAITING_TILES_MAX = 4_096;

export class LogTree {
  readonly #fold: Fold;
  readonly #edges: EdgeTile[];
  #size: number;
  /** Full tiles that are not on disk, by path. */
  readonly #waiting = new Map<string, TileFile>();
  #behind = false;

  /** Goes on from the stored tiles of a tree of `size` leaves, the partial ones. Its root is as true as they are: compare it. */
  static load(source: TileSource, size: number, folding: Fold = fold): LogTree {
    const edges: EdgeTile[] = [];
    for (let level = 0; hashesAt(level, size) > 0; level += 1) edges.push(loadEdge(source, level, size));
    return new LogTree(folding, size, edges);
  }

  constructor(folding: Fold = fold, size = 0, edges: EdgeTile[] = []) {
    this.#fold = folding;
    this.#size = size;
    this.#edges = edges;
  }

  get size(): number {
    return this.#size;
  }

  /** Full tiles that wait to be written. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Made anew each time, of the hashes that the partial tiles hold: a tree grows much more often than anybody asks for its root. */
  root(): Buffer {
    const hashes = this.#edges.toReversed().flatMap((edge) => edge.subtrees(this.#fold));
    return Frontier.restore(this.#size, hashes).root();
  }

  /** Leaf hashes, one or many side by side. */
  append(leaves: Uint8Array): void {
    if (leaves.length % HASH_BYTES !== 0) throw new RangeError(`${leaves.length} bytes are not leaf hashes of ${HASH_BYTES} bytes each`);
    this.#place(0, leaves);
    this.#size += leaves.length / HASH_BYTES;
  }

  /** What has to be written so that every hash of the tree as it is now can be read. The bytes no longer change. */
  unstored(): TileFile[] {
    if (!this.#behind) return [...this.#waiting.values(), ...this.#edges.flatMap((edge) => edge.unstored())];
    throw new TlogError("TILES_BEHIND", "tiles could not be written for so long that they were let go; open the log again to make them from its records");
  }

  /** Those files are on disk now. */
  stored(files: readonly TileFile[]): void {
    for (const { tile } of files) {
      this.#waiting.delete(tilePath(tile));
      this.#edges[tile.level]?.stored(tile);
    }
  }

  #place(level: number, hashes: Uint8Array): void {
    const edge = (this.#edges[level] ??= new EdgeTile(level, 0, Buffer.alloc(0)));
    for (let rest = hashes; rest.length > 0; ) {
      const part = rest.subarray(0, edge.room * HASH_BYTES);
      rest = rest.subarray(part.length);
      const full = edge.push(part);
      if (full === undefined) continue;
      if (!this.#behind) this.#wait(full);
      this.#place(level + 1, this.#fold(full.hashes));
    }
  }

  #wait(full: TileFile): void {
    this.#waiting.set(tilePath(full.tile), full);
    if (this.#waiting.size <= WAITING_TILES_MAX) return;
    this.#behind = true;
    this.#waiting.clear();
  }
}

function loadEdge(source: TileSource, level: number, size: number): EdgeTile {
  const hashes = hashesAt(level, size);
  const index = Math.floor(hashes / TILE_WIDTH);
  const partial = hashes % TILE_WIDTH === 0 ? Buffer.alloc(0) : source.read(tileAt(level, index, size));
  return new EdgeTile(level, index, partial);
}
