/**
 * The trail's tree, made again from the leaf hashes that a walk finds, and held against what was signed and against each tile on
 * disk. Of the tree only its right edge is kept, so a trail of any length is checked in constant memory.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { TileFile } from "../tlog/edge-tile.ts";
import { TlogError } from "../tlog/errors.ts";
import { HASH_BYTES, hashAt } from "../tlog/hash.ts";
import { LogTree } from "../tlog/log-tree.ts";
import { same } from "../tlog/proof.ts";
import type { TreeHead } from "../tlog/proof.ts";
import { provenLeaf } from "../tlog/publisher.ts";
import { hashesAt, TILE_WIDTH, tileAt, tilePath } from "../tlog/tile.ts";
import type { Tile } from "../tlog/tile.ts";
import { TileFolder } from "../tlog/tile-folder.ts";
import { isMissing, NODE_TLOG_FS, readFileIfAny } from "../tlog/tlog-fs.ts";
import type { Damage } from "./damage.ts";

/** Where a tile is not what the records make it. */
interface Mismatch {
  readonly level: number;
  /** The records that its first differing hash is about. */
  readonly from: number;
  readonly to: number;
  readonly why: string;
  /** It is of records that are not there. */
  readonly beyond?: boolean;
}

const WIDTH = /^[1-9]\d{0,2}$/;

export class TreeCheck {
  readonly #folder: string;
  readonly #tiles: TileFolder;
  readonly #tree = new LogTree();
  /** Leaf hashes in hexadecimal that the tree gets together, at the next size at which anything is compared. */
  #waiting = "";
  #size = 0;
  readonly #signed: TreeHead;
  /** All that was signed of this tree. */
  readonly #heads: readonly TreeHead[];
  #broken: TreeHead | undefined;
  readonly #mismatches: Mismatch[] = [];
  /** A tile that stands for pruned records is not there: nothing above it can be computed. */
  #lost = false;

  /** `signed` is the folder's own checkpoint, `earlier` another of the same tree. */
  constructor(folder: string, signed: TreeHead, earlier: TreeHead | undefined) {
    this.#folder = folder;
    this.#tiles = new TileFolder(folder);
    this.#signed = signed;
    this.#heads = earlier === undefined ? [signed] : [signed, earlier];
  }

  /** The next record of the walk; repeated ones are passed over. */
  leaf(seq: number, hex: string): void {
    if (seq > this.#size) this.#pruned(seq);
    if (seq !== this.#size || this.#lost) return;
    this.#take(hex);
  }

  /** After the last record. `closed`: nobody writes any more, so tiles of records that are not there were left by some that were. */
  finish(closed: boolean): Damage | undefined {
    this.#grow();
    const size = this.#size;
    const ahead = this.#lost ? undefined : this.#heads.find((head) => head.size > size);
    if (ahead !== undefined) return damage(size, "rolled-back", `records ${size} to ${ahead.size - 1} were signed and are gone: the trail was rolled back to record ${size}`);
    if (this.#broken !== undefined) return this.#rewritten(this.#broken);
    if (closed) this.#partials(this.#tree.unstored(), true);
    const [first] = this.#mismatches;
    if (first === undefined) return undefined;
    if (first.beyond === true) return damage(size, "rolled-back", first.why);
    return damage(first.from, "tile", `${first.why}, which are the signed ones. Remove the folder tile and open the trail for writing: that makes the tiles again`);
  }

  #take(hex: string): void {
    this.#waiting += hex;
    this.#size += 1;
    if (this.#size % TILE_WIDTH === 0 || this.#heads.some(({ size }) => size === this.#size)) this.#grow();
  }

  #grow(): void {
    if (this.#waiting === "") return;
    this.#tree.append(Buffer.from(this.#waiting, "hex"));
    this.#waiting = "";
    const { size } = this.#tree;
    for (const head of this.#heads) if (head.size === size && !same(this.#tree.root(), head.root)) this.#broken ??= head;
    if (size === this.#signed.size) this.#signedEdge();
    if (size % TILE_WIDTH === 0) this.#fullTiles();
  }

  #fullTiles(): void {
    const full = this.#tree.unstored().filter(({ tile }) => tile.width === TILE_WIDTH);
    for (const file of full) this.#compare(file, () => readFileIfAny(NODE_TLOG_FS, join(this.#folder, tilePath(file.tile))));
    this.#partials(full, false);
    this.#tree.stored(full);
  }

  /** The partial tiles that the signed tree ends with; wider ones may have taken their place. */
  #signedEdge(): void {
    for (const file of this.#tree.unstored()) if (file.tile.width < TILE_WIDTH) this.#compare(file, () => this.#tiles.read(file.tile));
  }

  /** Partial tiles that lie about are read by nobody who sees the wider one, but they must not lie either. */
  #partials(files: readonly TileFile[], atEnd: boolean): void {
    for (const { tile, hashes } of files) {
      for (const width of widthsIn(join(this.#folder, `${tilePath({ ...tile, width: TILE_WIDTH })}.p`))) {
        const partial = { ...tile, width };
        if (width <= tile.width) this.#compare({ tile: partial, hashes: hashes.subarray(0, width * HASH_BYTES) }, () => this.#tiles.read(partial));
        else if (atEnd) this.#note(tile, tile.width, `${tilePath(partial)} is of records that the trail does not have: they were cut off behind the checkpoint`, true);
      }
    }
  }

  #compare({ tile, hashes }: TileFile, read: () => Buffer | undefined): void {
    const found = quietly(read);
    if (typeof found === "string") this.#note(tile, 0, found);
    else if (found !== undefined) this.#firstDifference(tile, hashes, found);
    else if (tile.index * TILE_WIDTH + tile.width <= hashesAt(tile.level, this.#signed.size)) this.#note(tile, 0, `${tilePath(tile)} is missing for records`);
  }

  #firstDifference(tile: Tile, hashes: Buffer, found: Buffer): void {
    if (same(hashes, found)) return;
    for (let i = 0; i < tile.width; i += 1) {
      if (found.length < (i + 1) * HASH_BYTES || !same(hashAt(hashes, i), hashAt(found, i))) {
        this.#note(tile, i, `${tilePath(tile)} has at place ${i} another hash than the records`);
        return;
      }
    }
    this.#note(tile, 0, `${tilePath(tile)} is longer than its name says for the records`);
  }

  /** Only the first of each level: of a trail that was written anew every later one differs. */
  #note({ level, index }: Tile, place: number, why: string, beyond = false): void {
    if (this.#mismatches.some((other) => other.level === level)) return;
    const unit = TILE_WIDTH ** level;
    const from = (index * TILE_WIDTH + place) * unit;
    this.#mismatches.push({ level, from, to: from + unit, why, beyond });
  }

  /** Which record is the first that is not the signed one: where the tiles still lead to the signed root, they tell. */
  #rewritten(head: TreeHead): Damage {
    const exact = this.#mismatches.find(({ level, from }) => level === 0 && this.#isProven(head, from));
    if (exact?.from === this.#size - 1) return damage(exact.from, "changed", `record ${exact.from} is not the one that was signed`);
    if (exact !== undefined) return damage(exact.from, "rolled-back", `record ${exact.from} is not the one that was signed, and all later ones are chained to it: the trail was rolled back to it and written anew`);
    const near = this.#mismatches.find(({ level }) => level > 0);
    const where = near === undefined ? `one of the first ${head.size} records` : `one of records ${near.from} to ${near.to - 1}`;
    return damage(near?.from ?? 0, "rolled-back", `${where} is not the one that was signed; the tiles do not tell which. The trail was written anew`);
  }

  #isProven(head: TreeHead, seq: number): boolean {
    return seq < head.size && typeof quietly(() => provenLeaf(this.#tiles, head, seq)) !== "string";
  }

  /** Their tiles stand for records that were pruned; that they lead to the signed root proves them right. */
  #pruned(seq: number): void {
    const found = quietly(() => {
      while (!this.#lost && this.#size < seq) this.#appendTile(seq);
      return undefined;
    });
    this.#lost ||= typeof found === "string";
    if (typeof found === "string") this.#mismatches.unshift({ level: 0, from: this.#size, to: seq, why: `records up to ${seq - 1} were pruned, and ${found}` });
  }

  #appendTile(seq: number): void {
    const first = this.#size;
    const tile = tileAt(0, Math.floor(first / TILE_WIDTH), this.#signed.size);
    const hashes = this.#tiles.read(tile);
    for (let i = first % TILE_WIDTH; i < tile.width && this.#size < seq; i += 1) this.#take(hashAt(hashes, i).toString("hex"));
    if (this.#size < seq && tile.width < TILE_WIDTH) throw new TlogError("OUT_OF_RANGE", "the checkpoint does not reach so far");
  }
}

function damage(seq: number, kind: Damage["kind"], message: string): Damage {
  return { seq, kind, segment: "", offset: 0, message };
}

/** What was read, or what is wrong with the file. */
function quietly<T>(read: () => T): T | string {
  try {
    return read();
  } catch (failure) {
    if (failure instanceof TlogError) return failure.message;
    throw failure;
  }
}

function widthsIn(folder: string): number[] {
  try {
    return readdirSync(folder).filter((name) => WIDTH.test(name)).map(Number).filter((width) => width < TILE_WIDTH);
  } catch (failure) {
    if (isMissing(failure) || (failure as NodeJS.ErrnoException).code === "ENOTDIR") return [];
    throw failure;
  }
}
