/** A folder of tiles as they are served: static files that can be made again from the log at any time. */
import { dirname, join } from "node:path";
import type { TileFile } from "./edge-tile.ts";
import { TlogError } from "./errors.ts";
import { HASH_BYTES } from "./hash.ts";
import type { Tile } from "./tile.ts";
import { TILE_WIDTH, tilePath } from "./tile.ts";
import type { TileSource } from "./tile-source.ts";
import { NODE_TLOG_FS, readFileIfAny } from "./tlog-fs.ts";
import type { TlogFs, WholeFile } from "./tlog-fs.ts";
import { writeFilesSync } from "./whole-file.ts";

export class TileFolder implements TileSource {
  readonly #folder: string;
  readonly #fs: TlogFs;
  /** Where partial tiles may lie that were written here. */
  readonly #partial = new Set<string>();
  /** An earlier run may have left some anywhere, until all full tiles of one writing have been looked at. */
  #swept = false;

  /** `folder` is the log's: tiles lie in its subfolder `tile`. */
  constructor(folder: string, fs: TlogFs = NODE_TLOG_FS) {
    this.#folder = folder;
    this.#fs = fs;
  }

  /** A partial tile may have gone when its full one came, so that is the second place to look. */
  read(tile: Tile): Buffer {
    const full = { ...tile, width: TILE_WIDTH };
    const hashes = this.#file(tile) ?? (tile.width < TILE_WIDTH ? this.#file(full) : undefined);
    if (hashes !== undefined) return hashes.subarray(0, tile.width * HASH_BYTES);
    throw new TlogError("TILE_MISSING", `${tilePath(tile)} is missing; tiles can be made again from the log's records`);
  }

  writeSync(files: readonly TileFile[]): void {
    const superseded = this.#superseded(files);
    writeFilesSync(this.#fs, this.#wholeFiles(files));
    for (const folder of superseded) this.#fs.rmSync(folder, { recursive: true, force: true });
    this.#removed(superseded);
  }

  async write(files: readonly TileFile[]): Promise<void> {
    const superseded = this.#superseded(files);
    await this.#fs.storeFiles(this.#wholeFiles(files));
    for (const folder of superseded) await this.#fs.promises.rm(folder, { recursive: true, force: true });
    this.#removed(superseded);
  }

  #file(tile: Tile): Buffer | undefined {
    const bytes = readFileIfAny(this.#fs, join(this.#folder, tilePath(tile)));
    if (bytes !== undefined && bytes.length !== tile.width * HASH_BYTES) {
      throw new TlogError("MALFORMED", `${tilePath(tile)} has ${bytes.length} bytes instead of ${tile.width * HASH_BYTES}; remove it and make it again from the log's records`);
    }
    return bytes;
  }

  #wholeFiles(files: readonly TileFile[]): WholeFile[] {
    return files.map(({ tile, hashes }) => ({ path: join(this.#folder, tilePath(tile)), content: hashes }));
  }

  /** Where the partial forms of a tile lie that is now full: every tree that needed one of them can use the full one. */
  #superseded(files: readonly TileFile[]): string[] {
    const full: string[] = [];
    for (const { tile } of files) {
      const folder = dirname(join(this.#folder, tilePath({ ...tile, width: 1 })));
      if (tile.width < TILE_WIDTH) this.#partial.add(folder);
      else if (!this.#swept || this.#partial.has(folder)) full.push(folder);
    }
    return full;
  }

  #removed(folders: readonly string[]): void {
    this.#swept = true;
    for (const folder of folders) this.#partial.delete(folder);
  }
}
