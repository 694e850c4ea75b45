/** Trees, tiles in memory and folders for the tests of the transparency log. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { LogTree } from "../../lib/tlog/log-tree.ts";
import { TlogError } from "../../lib/tlog/errors.ts";
import { HASH_BYTES } from "../../lib/tlog/hash.ts";
import { TILE_WIDTH, tilePath } from "../../lib/tlog/tile.ts";
import type { Tile } from "../../lib/tlog/tile.ts";
import type { TileSource } from "../../lib/tlog/tile-source.ts";
import { twinLeaf } from "./twin.ts";

export function record(i: number): Buffer {
  return Buffer.from(`{"seq":${i},"type":"ModelLoaded"}`);
}

export function leavesOf(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => twinLeaf(record(i)));
}

export function treeOf(leaves: readonly Buffer[]): LogTree {
  const tree = new LogTree();
  for (const leaf of leaves) tree.append(leaf);
  return tree;
}

/** Tiles by path; what a tree has not stored is not there. */
export class MemoryTiles implements TileSource {
  readonly files = new Map<string, Buffer>();

  store(tree: LogTree): void {
    const files = tree.unstored();
    for (const { tile, hashes } of files) this.files.set(tilePath(tile), Buffer.from(hashes));
    tree.stored(files);
  }

  read(tile: Tile): Buffer {
    const hashes = this.files.get(tilePath(tile)) ?? this.files.get(tilePath({ ...tile, width: TILE_WIDTH }));
    if (hashes === undefined) throw new TlogError("TILE_MISSING", tilePath(tile));
    return hashes.subarray(0, tile.width * HASH_BYTES);
  }
}

export function tilesOf(leaves: readonly Buffer[]): MemoryTiles {
  const tiles = new MemoryTiles();
  tiles.store(treeOf(leaves));
  return tiles;
}

/** A folder that is removed after the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "model-loader-tlog-"));
  onTestFinished(() => { rmSync(path, { recursive: true, force: true }); });
  return path;
}

/** The code of the error that `action` throws; "none" where it throws none. */
export function codeOf(action: () => unknown): string {
  try {
    action();
    return "none";
  } catch (failure) {
    if (failure instanceof TlogError) return failure.code;
    throw failure;
  }
}

export async function laterCodeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (failure) {
    if (failure instanceof TlogError) return failure.code;
    throw failure;
  }
}

/** The same bytes with one bit turned. */
export function flipped(bytes: Uint8Array, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = Math.floor(bit / 8) % copy.length;
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit % 8));
  return copy;
}
