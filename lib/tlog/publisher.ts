/**
 * A log's published side: its tree, its tiles, and the signed `checkpoint` beside them.
 *
 * Rules that readers rely on:
 * - Only records that are durable in the log are appended here: a checkpoint never promises what a power cut can take back.
 * - Tiles are durable before the checkpoint that needs them is there.
 * - No checkpoint is signed before the tiles on disk prove that its tree continues the tree of the one before. A log that was
 *   cut or changed behind its own checkpoint is never signed again.
 * - Everything but the signatures can be made again from the records: where tiles are damaged, `open` begins at record 0.
 */
import { join } from "node:path";
import { openCheckpoint, signCheckpoint } from "./checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { NoteVerifier } from "./signer.ts";
import type { Signer } from "./signer.ts";
import { TlogError, within } from "./errors.ts";
import { EMPTY_ROOT, fold, HASH_BYTES } from "./hash.ts";
import type { Fold } from "./hash.ts";
import { LogTree } from "./log-tree.ts";
import { addSignatures, formatNote, parseNote } from "./note.ts";
import type { NoteSignature } from "./note.ts";
import { consistencyProof, inclusionProof, same, verifyConsistency, verifyInclusion } from "./proof.ts";
import type { TreeHead } from "./proof.ts";
import { TileFolder } from "./tile-folder.ts";
import { leafOf, StoredTree } from "./tile-source.ts";
import type { TileSource } from "./tile-source.ts";
import { NODE_TLOG_FS, readFileIfAny } from "./tlog-fs.ts";
import type { TlogFs } from "./tlog-fs.ts";
import { prepareFile, syncFolder, writeFilesSync } from "./whole-file.ts";

/** While a long log is read again, its tiles are written every so often (full tiles), not kept in memory. */
const CATCH_UP_TILES = 256;

export interface PublisherOptions {
  /** The log's folder, which exists and which one process at a time has. */
  readonly folder: string;
  readonly origin: string;
  /** The log's key; after a change of key the new one and then the old one, until all readers know the new one. */
  readonly signers: readonly Signer[];
  readonly fs?: TlogFs;
  /** Default: in JavaScript. */
  readonly fold?: Fold;
  /** Begin with record 0 although there are tiles; they are written anew. */
  readonly rebuild?: boolean;
}

/** A checkpoint and the signed note that carries it. */
export interface Published extends Checkpoint {
  readonly note: string;
}

export class Publisher {
  readonly tiles: TileFolder;
  readonly #options: PublisherOptions;
  readonly #fs: TlogFs;
  readonly #tree: LogTree;
  /** What was signed last; the tree must reach it before anything is signed again. */
  #published: Published | undefined;
  #vkeysWritten = false;
  #stopped = false;
  /** What the thread pool is doing for us. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Reads what an earlier run left. Append the records from `size` on, which is 0 where the tiles have to be made again. */
  static open(options: PublisherOptions): Publisher {
    const fs = options.fs ?? NODE_TLOG_FS;
    const published = readCheckpoint(options, fs);
    const tiles = new TileFolder(options.folder, fs);
    return new Publisher(options, fs, tiles, published, options.rebuild === true ? new LogTree(options.fold) : loadTree(tiles, published, options.fold));
  }

  private constructor(options: PublisherOptions, fs: TlogFs, tiles: TileFolder, published: Published | undefined, tree: LogTree) {
    this.#options = options;
    this.#fs = fs;
    this.tiles = tiles;
    this.#published = published;
    this.#tree = tree;
  }

  /** Records in the tree. */
  get size(): number {
    return this.#tree.size;
  }

  /** The last checkpoint; undefined before the first. */
  get published(): Published | undefined {
    return this.#published;
  }

  /** Records that no checkpoint covers yet. Negative: the log is shorter than what was signed. */
  get unpublished(): number {
    return this.#tree.size - (this.#published?.size ?? 0);
  }

  root(): Buffer {
    return this.#tree.root();
  }

  /** Leaf hashes of the next records, side by side; the records are durable. Throws where the log is not the one that was signed. */
  append(leaves: Uint8Array): void {
    const before = Math.max(0, -this.unpublished) * HASH_BYTES;
    if (before > 0) {
      this.#tree.append(leaves.subarray(0, before));
      if (this.#tree.size === this.#published?.size) this.#compare(this.#published);
    }
    if (leaves.length > before) this.#tree.append(leaves.subarray(before));
  }

  /** Many records of an earlier run; their tiles are written on the way. */
  catchUp(leaves: Iterable<Buffer>): void {
    for (const leaf of leaves) {
      this.append(leaf);
      if (this.#tree.waiting >= CATCH_UP_TILES) this.#storeSync();
    }
  }

  /** Signs and writes a checkpoint of all records so far, slow steps on the thread pool. Where one is newer by then, that is returned. */
  publish(): Promise<Published> {
    return this.#inTurn(async () => {
      const head = this.#head();
      const files = this.#tree.unstored();
      await this.tiles.write(files);
      this.#tree.stored(files);
      const last = this.#published;
      if (last !== undefined && last.size >= head.size) return last;
      const next = this.#sign(head);
      return (await this.#replace(last, next)) ? next : (this.#published ?? next);
    });
  }

  /** The same at once, for the end of a process. */
  publishSync(): Published {
    const head = this.#head();
    this.#storeSync();
    if (this.#published?.size === head.size) return this.#published;
    const next = this.#sign(head);
    writeFilesSync(this.#fs, [this.#checkpointFile(next.note)]);
    this.#published = next;
    this.#writeVkeys();
    return next;
  }

  /** The folder will be somebody else's: what is still under way on the thread pool puts no checkpoint in place any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Puts witnesses' signatures on the checkpoint that they are about; false where a newer one has taken its place. */
  addCosignatures(about: Published, signatures: readonly NoteSignature[]): Promise<boolean> {
    return this.#inTurn(async () => {
      const last = this.#published;
      if (last?.size !== about.size) return false;
      const note = formatNote(addSignatures(parseNote(last.note), signatures));
      return this.#replace(last, { ...last, note });
    });
  }

  /** Two at a time would write the same half-made files. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task, task);
    this.#turn = result;
    return result;
  }

  /** The new checkpoint, unless `publishSync` was faster: a checkpoint never goes back. */
  async #replace(last: Published | undefined, next: Published): Promise<boolean> {
    const place = await prepareFile(this.#fs, this.#checkpointFile(next.note));
    if (this.#published !== last || this.#stopped) return false;
    place();
    this.#published = next;
    await syncFolder(this.#fs, this.#options.folder);
    this.#writeVkeys();
    return true;
  }

  #head(): TreeHead {
    if (this.unpublished < 0) {
      throw new TlogError("INCONSISTENT", `the log has ${this.size} records, but ${this.#published?.size ?? 0} were signed: it was cut or rolled back`);
    }
    return { size: this.#tree.size, root: this.#tree.root() };
  }

  /** Never two inconsistent checkpoints: the tiles as they are on disk have to show that the tree only grew. */
  #sign(head: TreeHead): Published {
    const last: TreeHead = this.#published ?? { size: 0, root: EMPTY_ROOT };
    const proof = consistencyProof(new StoredTree(this.tiles, head.size), last.size);
    within("no checkpoint was signed; remove the folder tile and open the log again", () => { verifyConsistency(last, head, proof); });
    const checkpoint = { origin: this.#options.origin, size: head.size, root: Buffer.from(head.root), extensions: [] };
    return { ...checkpoint, note: signCheckpoint(checkpoint, this.#options.signers) };
  }

  #storeSync(): void {
    const files = this.#tree.unstored();
    this.tiles.writeSync(files);
    this.#tree.stored(files);
  }

  #compare(published: Published): void {
    if (same(this.#tree.root(), published.root)) return;
    throw new TlogError("INCONSISTENT", `the first ${published.size} records are not those that were signed: the log was changed behind its checkpoint`);
  }

  #checkpointFile(note: string): { path: string; content: Buffer } {
    return { path: join(this.#options.folder, "checkpoint"), content: Buffer.from(note) };
  }

  /**
   * For auditors; they should have it from elsewhere too, since whoever can write here can replace it. It comes after the first
   * checkpoint: where it is there and no checkpoint is, somebody removed that.
   */
  #writeVkeys(): void {
    if (this.#vkeysWritten) return;
    const path = join(this.#options.folder, "vkey");
    const content = Buffer.from(this.#options.signers.map(({ vkey }) => `${vkey}\n`).join(""));
    if (readFileIfAny(this.#fs, path)?.equals(content) !== true) writeFilesSync(this.#fs, [{ path, content }]);
    this.#vkeysWritten = true;
  }
}

function readCheckpoint({ folder, origin, signers }: PublisherOptions, fs: TlogFs): Published | undefined {
  const note = readFileIfAny(fs, join(folder, "checkpoint"));
  if (note === undefined) return undefined;
  const keys = signers.map(({ vkey }) => new NoteVerifier(vkey));
  const { size, root, extensions } = within(`the checkpoint in ${folder}`, () => openCheckpoint(note, origin, keys));
  return { origin, size, root, extensions, note: note.toString("utf8") };
}

/** The tree that was signed, from its tiles; an empty one where they are missing or not those of the signed tree. */
function loadTree(tiles: TileFolder, published: Published | undefined, folding: Fold = fold): LogTree {
  if (published === undefined) return new LogTree(folding);
  try {
    const tree = LogTree.load(tiles, published.size, folding);
    if (published.size > 0) provenLeaf(tiles, published, published.size - 1);
    return same(tree.root(), published.root) ? tree : new LogTree(folding);
  } catch (failure) {
    if (failure instanceof TlogError) return new LogTree(folding);
    throw failure;
  }
}

/** The leaf hash that `head` has at `index`: the tiles show that it leads to the root, or an error is thrown. */
export function provenLeaf(tiles: TileSource, head: TreeHead, index: number): Buffer {
  const tree = new StoredTree(tiles, head.size);
  const leaf = leafOf(tree, index);
  verifyInclusion(leaf, index, head, inclusionProof(tree, index));
  return leaf;
}
