/**
 * A log's growing tree together with its tiles: takes leaf hashes at the speed of the log, keeps the tiles that nobody has
 * written yet, and says which files make the tree of the moment readable. It touches no file itself.
 */
import { EdgeTile } from "./edge-tile.ts";
import type { TileFile } from "./edge-tile.ts";
import { TlogError } from "./errors.ts";
import { Frontier } from "./frontier.ts";
import type { Completed } from "./frontier.ts";
import { hashesAt, TILE_WIDTH, tileAt, tilePath } from "./tile.ts";
import type { TileSource } from "./tile-source.ts";

/** 32 MiB, about a million records: more waits only where tiles cannot be written at all. */
const WAITING_TILES_MAX = 4_096;
/** Binary levels of the tree within one tile. */
const TILE_HEIGHT = 8;

export class LogTree {
  readonly #frontier: Frontier;
  readonly #edges: EdgeTile[];
  /** Full tiles that are not on disk, by path. */
  readonly #waiting = new Map<string, TileFile>();
  #behind = false;
  readonly #completed: Completed = (height, hash) => {
    if (height % TILE_HEIGHT === 0) this.#place(height / TILE_HEIGHT, hash);
  };

  /** Goes on from the stored tiles of a tree of `size` leaves, the partial ones. Its root is as true as they are: compare it. */
  static load(source: TileSource, size: number): LogTree {
    const edges: EdgeTile[] = [];
    for (let level = 0; hashesAt(level, size) > 0; level += 1) edges.push(loadEdge(source, level, size));
    const hashes = edges.toReversed().flatMap((edge) => edge.subtrees());
    return new LogTree(Frontier.restore(size, hashes), edges);
  }

  constructor(frontier: Frontier = new Frontier(), edges: EdgeTile[] = []) {
    this.#frontier = frontier;
    this.#edges = edges;
  }

  get size(): number {
    return this.#frontier.size;
  }

  /** Full tiles that wait to be written. */
  get waiting(): number {
    return this.#waiting.size;
  }

  root(): Buffer {
    return this.#frontier.root();
  }

  append(leaf: Buffer): void {
    this.#frontier.append(leaf, this.#completed);
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

  #place(level: number, hash: Buffer): void {
    const edge = (this.#edges[level] ??= new EdgeTile(level, 0, Buffer.alloc(0)));
    const full = edge.push(hash);
    if (full !== undefined && !this.#behind) this.#wait(full);
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
