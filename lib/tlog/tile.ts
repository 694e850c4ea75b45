/**
 * Tiles: a tree's hashes in files of up to 256, named by the C2SP tlog-tiles rules. Tile n of level l holds the roots of the
 * perfect subtrees of 256^l leaves, from n * 256 on. The rightmost tile of a level may be partial.
 */
import { TlogError } from "./errors.ts";
import { quoted } from "./text.ts";

/** Hashes of a full tile. */
export const TILE_WIDTH = 256;
const LEVEL_MAX = 63;

export interface Tile {
  readonly level: number;
  readonly index: number;
  /** 1..256; 256 is a full tile. */
  readonly width: number;
}

const PATH = /^tile\/(0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;
const ENTRIES_PATH = /^tile\/entries\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** The path below the log's folder, with forward slashes: also the path of its URL. */
export function tilePath(tile: Tile): string {
  return `tile/${tile.level}/${numbered(tile)}`;
}

/** The path of the records themselves whose hashes `tile` of level 0 holds. */
export function entriesPath(tile: Omit<Tile, "level">): string {
  return `tile/entries/${numbered(tile)}`;
}

export function parseTilePath(path: string): Tile {
  const [, level, index, width] = PATH.exec(path) ?? [];
  const tile = { level: Number(level), index: indexOf(index), width: widthOf(width) };
  return isOnly(path, tile, tilePath) ? tile : refuse(path);
}

export function parseEntriesPath(path: string): Omit<Tile, "level"> {
  const [, index, width] = ENTRIES_PATH.exec(path) ?? [];
  const tile = { level: 0, index: indexOf(index), width: widthOf(width) };
  return isOnly(path, tile, entriesPath) ? { index: tile.index, width: tile.width } : refuse(path);
}

/** How many hashes of `level` a tree of `size` leaves has. */
export function hashesAt(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** The tile of that place in a tree of `size` leaves, as wide as the tree makes it. */
export function tileAt(level: number, index: number, size: number): Tile {
  const width = Math.min(TILE_WIDTH, hashesAt(level, size) - index * TILE_WIDTH);
  if (width < 1) throw new TlogError("OUT_OF_RANGE", `a tree of ${size} leaves has no tile ${index} of level ${level}`);
  return { level, index, width };
}

/** The partial tile at the end of each level; none where the last one is full. */
export function partialTiles(size: number): Tile[] {
  const tiles: Tile[] = [];
  for (let level = 0; hashesAt(level, size) > 0; level += 1) {
    const hashes = hashesAt(level, size);
    const width = hashes % TILE_WIDTH;
    if (width > 0) tiles.push({ level, index: (hashes - width) / TILE_WIDTH, width });
  }
  return tiles;
}

/** Digits in groups of three, all but the last group marked, so that no file has a folder's name. */
function numbered({ index, width }: Omit<Tile, "level">): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/\d{3}/g) ?? [];
  const path = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
}

function indexOf(groups: string | undefined): number {
  return groups === undefined ? NaN : Number(groups.replaceAll(/[x/]/g, ""));
}

function widthOf(width: string | undefined): number {
  return width === undefined ? TILE_WIDTH : Number(width);
}

/** A second spelling of the same tile is refused: the path must be the one that we would write. */
function isOnly(path: string, tile: Tile, write: (tile: Tile) => string): boolean {
  const sound = tile.level <= LEVEL_MAX && Number.isSafeInteger(tile.index) && tile.width <= TILE_WIDTH;
  return sound && write(tile) === path;
}

function refuse(path: string): never {
  throw new TlogError("MALFORMED", `${quoted(path)} is no path of a tile`);
}
