/**
 * Disk space that a segment has before it needs it, on ext4. A file that takes its space block by block lies in pieces there, and with
 * four of them the list of pieces is made anew for each further block: measured as half of a sync on top. XFS gains nothing by it, and
 * btrfs syncs a batch more slowly into space that was taken in advance.
 */
import type { AuditFs } from "./files.ts";

/** Asks for space for `bytes` from `offset` on, without a change of the file's size. False where there is none to be had. */
export type Allocate = (fd: number, offset: number, bytes: number) => boolean;

/** So much at first; a segment that holds more takes all that it will need, or it would lie in as many pieces as it had steps. */
const FIRST_BYTES = 1024 * 1024;
/** `f_type` of ext4, and of its predecessors, which cannot take space in advance. */
const EXT4 = 0xef53;
/** On a disk with less than this many times as much nothing is taken in advance. */
const ROOM_FACTOR = 16;

export interface SpaceOptions {
  readonly fs: Pick<AuditFs, "statfsSync">;
  readonly folder: string;
  readonly allocate: Allocate;
  /** A segment that is as large as this takes nothing in advance: it is followed by the next one. */
  readonly segmentBytes: number;
}

/** Of one segment. */
export class Space {
  readonly #options: SpaceOptions;
  readonly #fd: number;
  /** How far the file can grow before it is time to ask again. */
  #end: number;

  constructor(options: SpaceOptions, fd: number, written: number) {
    this.#options = options;
    this.#fd = fd;
    this.#end = written;
  }

  /** The file is about to grow to `end`. Without space in advance it does so all the same, or its write says why not. */
  growTo(end: number): void {
    if (end <= this.#end) return;
    const { segmentBytes } = this.#options;
    const wanted = Math.min(end <= FIRST_BYTES ? FIRST_BYTES : segmentBytes, segmentBytes);
    this.#end = end < wanted && this.#take(this.#end, wanted - this.#end) ? wanted : Infinity;
  }

  #take(offset: number, bytes: number): boolean {
    const { fs, folder, allocate } = this.#options;
    try {
      const { type, bavail, bsize } = fs.statfsSync(folder);
      return type === EXT4 && bavail * bsize >= bytes * ROOM_FACTOR && allocate(this.#fd, offset, bytes);
    } catch {
      return false;
    }
  }
}
