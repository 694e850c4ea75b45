/** The tile at the end of one level, while it fills. */
import { HASH_BYTES } from "./hash.ts";
import type { Fold } from "./hash.ts";
import type { Tile } from "./tile.ts";
import { TILE_WIDTH } from "./tile.ts";

/** A tile and its hashes, to be written to its file. */
export interface TileFile {
  readonly tile: Tile;
  readonly hashes: Buffer;
}

/** A width of up to 255 is written in eight binary digits, one for each perfect subtree within a tile. */
const DIGITS = [128, 64, 32, 16, 8, 4, 2, 1] as const;

export class EdgeTile {
  readonly #level: number;
  #index: number;
  #width: number;
  #hashes: Buffer;
  /** The widest form of it that is on disk. */
  #storedWidth: number;

  /** `hashes` are those that it has already, as they are on disk. */
  constructor(level: number, index: number, hashes: Uint8Array) {
    this.#level = level;
    this.#index = index;
    this.#width = hashes.length / HASH_BYTES;
    this.#storedWidth = this.#width;
    this.#hashes = Buffer.alloc(TILE_WIDTH * HASH_BYTES);
    this.#hashes.set(hashes);
  }

  /** How many more hashes it takes; at least one. */
  get room(): number {
    return TILE_WIDTH - this.#width;
  }

  /** Takes hashes, side by side and no more than there is room for. Returns the tile when they fill it, and begins the next. */
  push(hashes: Uint8Array): TileFile | undefined {
    this.#hashes.set(hashes, this.#width * HASH_BYTES);
    this.#width += hashes.length / HASH_BYTES;
    if (this.#width < TILE_WIDTH) return undefined;
    const full = { tile: this.#tile(), hashes: this.#hashes };
    this.#index += 1;
    this.#width = 0;
    this.#storedWidth = 0;
    this.#hashes = Buffer.alloc(TILE_WIDTH * HASH_BYTES);
    return full;
  }

  /** As it stands, where that is not on disk yet. The bytes are a view: later hashes go behind them. */
  unstored(): TileFile[] {
    if (this.#width === this.#storedWidth) return [];
    return [{ tile: this.#tile(), hashes: this.#hashes.subarray(0, this.#width * HASH_BYTES) }];
  }

  stored({ index, width }: Tile): void {
    if (index === this.#index) this.#storedWidth = Math.max(this.#storedWidth, width);
  }

  /** The roots of the perfect subtrees that its hashes make, largest first. */
  subtrees(fold: Fold): Buffer[] {
    let start = 0;
    return DIGITS.filter((digit) => (this.#width & digit) !== 0).map((digit) => {
      start += digit;
      return fold(this.#hashes.subarray((start - digit) * HASH_BYTES, start * HASH_BYTES));
    });
  }

  #tile(): Tile {
    return { level: this.#level, index: this.#index, width: this.#width };
  }
}
