/**
 * One append-only file of the trail. It has its final name from birth, is never renamed or truncated, and knows how many bytes
 * it should hold: a file that was deleted, replaced, cut or added to by somebody else is noticed at the next sync.
 */
import { hash } from "node:crypto";
import { constants } from "node:fs";
import { join } from "node:path";
import { asError, codeOf, TamperedError } from "./errors.ts";
import type { AuditFs } from "./files.ts";
import { syncFolder } from "./files.ts";
import { segmentName } from "./segment-name.ts";
import { Space } from "./space.ts";
import type { SpaceOptions } from "./space.ts";

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
const NEWLINE = 0x0a;
const ATTEMPTS_MAX = 10_000;
const COPY_BLOCK_BYTES = 1024 * 1024;
/** A tail is part of one batch; more than this was not left by us, and verification will say so. */
const TAIL_BYTES_MAX = 16 * 1024 * 1024;

/** Syncs the file when the thread is torn down without running JavaScript. */
export type Guard = (fd: number) => { release(): void };

/** The end of a segment that no reader takes for records. */
export interface Tail {
  readonly offset: number;
  readonly len: number;
  readonly sha256: string;
}

export interface Place extends SpaceOptions {
  readonly fs: AuditFs;
  readonly guard: Guard | undefined;
}

export class Segment {
  readonly name: string;
  readonly first: number;
  /** Bytes of whole lines. */
  whole: number;
  /** Bytes written, whole lines or not. */
  written: number;
  /** A sync failed: the kernel may drop the pages and call the next sync a success. */
  suspect = false;
  readonly #place: Place;
  readonly #path: string;
  readonly #fd: number;
  readonly #id: { ino: number; dev: number };
  readonly #guard: { release(): void } | undefined;
  readonly #space: Space;
  #syncing = 0;
  #closed = false;

  /** A new file that holds records from `first` on. */
  static create(place: Place, first: number): Segment {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      try {
        const created = new Segment(place, segmentName(first, attempt), first, O_CREAT | O_EXCL, 0);
        created.#ownName();
        return created;
      } catch (failure) {
        if (codeOf(failure) !== "EEXIST") throw failure;
      }
    }
    throw new Error(`${place.folder} holds ${ATTEMPTS_MAX} segments for record ${first}; move the empty ones away`);
  }

  /** The last file of an earlier run, which recovery has read to its end. */
  static resume(place: Place, name: string, first: number, bytes: number): Segment {
    return new Segment(place, name, first, 0, bytes);
  }

  private constructor(place: Place, name: string, first: number, flags: number, bytes: number) {
    this.#place = place;
    this.name = name;
    this.first = first;
    this.whole = bytes;
    this.written = bytes;
    this.#path = join(place.folder, name);
    this.#fd = place.fs.openSync(this.#path, flags | O_RDWR | O_APPEND | O_NOFOLLOW, 0o600);
    try {
      const { ino, dev } = place.fs.fstatSync(this.#fd);
      this.#id = { ino, dev };
      this.#guard = place.guard?.(this.#fd);
      this.#space = new Space(place, this.#fd, bytes);
    } catch (failure) {
      place.fs.closeSync(this.#fd);
      throw failure;
    }
  }

  /** Writes all of `bytes` or returns why not; `written` and `whole` say how far it came. */
  append(bytes: Uint8Array): Error | undefined {
    this.#space.growTo(this.written + bytes.length);
    try {
      for (let done = 0; done < bytes.length; ) {
        const count = this.#place.fs.writeSync(this.#fd, bytes, done, bytes.length - done);
        if (count === 0) throw new Error("the file took no bytes");
        this.#took(endOfLines(bytes, done + count) - done, count);
        done += count;
      }
      return undefined;
    } catch (failure) {
      return asError(failure);
    }
  }

  /** Copies the whole lines of a segment whose name is gone but whose bytes are not. */
  copyFrom(source: Segment): void {
    const block = Buffer.alloc(COPY_BLOCK_BYTES);
    for (let offset = 0; offset < source.whole; ) {
      const want = Math.min(block.length, source.whole - offset);
      const count = source.#place.fs.readSync(source.#fd, block, 0, want, offset);
      if (count === 0) throw new TamperedError("truncated", `${source.name} became shorter while it was copied`);
      const failure = this.append(block.subarray(0, count));
      if (failure !== undefined) throw failure;
      offset += count;
    }
  }

  /** Everything written is durable, in the file that still has our name; or throws, and then never again succeeds. */
  sync(): void {
    if (this.suspect) throw new Error(`${this.name} failed to sync before; it cannot be trusted again`);
    this.suspect = true;
    this.#place.fs.fdatasyncSync(this.#fd);
    this.check();
    this.suspect = false;
  }

  /** Syncs on the thread pool. The descriptor stays open until that is done. */
  syncLater(done: (failure: Error | undefined) => void): void {
    this.#syncing += 1;
    this.#place.fs.fdatasync(this.#fd, (failure) => {
      this.#syncing -= 1;
      if (failure !== null) this.suspect = true;
      if (this.#closed && this.#syncing === 0) this.#release();
      done(failure ?? undefined);
    });
  }

  /** Is the file that we wrote still the file of that name, with our bytes and no others? */
  check(): void {
    const named = this.#place.fs.lstatSync(this.#path, { throwIfNoEntry: false });
    if (named === undefined || named.ino !== this.#id.ino || named.dev !== this.#id.dev) {
      throw new TamperedError("unlinked", `${this.name} was deleted, renamed or replaced`);
    }
    const { size } = named;
    if (size < this.written) throw new TamperedError("truncated", `${this.name} was cut to ${size} bytes of ${this.written}`);
    if (size > this.written) throw new TamperedError("foreign", `${this.name} has ${size - this.written} bytes that we did not write`);
  }

  /** What lies behind the last whole line, read back: a failed write may have left more or less than it said. */
  tail(): Tail {
    const { size } = this.#place.fs.fstatSync(this.#fd);
    const bytes = Buffer.alloc(Math.min(TAIL_BYTES_MAX, Math.max(0, size - this.whole)));
    const count = bytes.length === 0 ? 0 : this.#place.fs.readSync(this.#fd, bytes, 0, bytes.length, this.whole);
    return { offset: Math.min(size, this.whole), len: count, sha256: hash("sha256", bytes.subarray(0, count), "hex") };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#syncing === 0) this.#release();
  }

  #release(): void {
    this.#guard?.release();
    this.#place.fs.closeSync(this.#fd);
  }

  #ownName(): void {
    try {
      syncFolder(this.#place.fs, this.#place.folder);
    } catch (failure) {
      this.close();
      throw failure;
    }
  }

  #took(whole: number, count: number): void {
    if (whole > 0) this.whole = this.written + whole;
    this.written += count;
  }
}

/** Where the last whole line before `end` ends; 0 where there is none. Most writes end with one. */
function endOfLines(bytes: Uint8Array, end: number): number {
  return bytes[end - 1] === NEWLINE ? end : bytes.lastIndexOf(NEWLINE, end - 1) + 1;
}
