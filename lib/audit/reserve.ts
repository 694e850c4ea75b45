/**
 * Space kept back on the trail's disk. When the disk is full the file is deleted, and what it took is enough to record that, and
 * to go on recording how many events are lost, until there is room again.
 */
import { randomFillSync } from "node:crypto";
import { constants } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { syncFolder } from "./files.ts";
import type { AuditFs } from "./files.ts";

/** Beside `log`, where backups and people see it. */
const NAME = "reserve";
/** Making the reserve must not be what fills the disk. */
const ROOM_FACTOR = 2;
/** A quota can refuse what the disk still has. */
const REFUSED_PAUSE_MS = 1_000;
const MISSING_PAUSE_MS = 60_000;
const WRITABLE = constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_WRONLY;

export interface ReserveOptions {
  readonly fs: AuditFs;
  /** The trail's folder. */
  readonly folder: string;
  /** 0: none is wanted. */
  readonly bytes: number;
  readonly warn: (failure: unknown, message: string) => void;
}

export class Reserve {
  readonly #options: ReserveOptions;
  readonly #path: string;
  #held = false;
  #spent = false;
  #notBefore = 0;

  constructor(options: ReserveOptions) {
    this.#options = options;
    this.#path = join(options.folder, NAME);
  }

  /** The disk was full, and there has not been room for a new reserve since. */
  get isSpent(): boolean {
    return this.#spent;
  }

  /** Bytes kept back now. Undefined where none are wanted. */
  get bytes(): number | undefined {
    if (this.#options.bytes === 0) return undefined;
    return this.#held ? this.#options.bytes : 0;
  }

  /** Free bytes on the trail's disk; NaN where it does not say. */
  get freeBytes(): number {
    try {
      const { bavail, bsize } = this.#options.fs.statfsSync(this.#options.folder);
      return bavail * bsize;
    } catch {
      return NaN;
    }
  }

  /** Takes the space where it is not taken yet. A disk that has too little for it is left alone, and asked again a minute later. */
  keep(): void {
    if (this.#held || this.#spent || this.#options.bytes === 0 || performance.now() < this.#notBefore) return;
    try {
      if (!this.#isWhole() && !this.#makeWhereThereIsRoom()) throw new Error(`the disk has less than ${this.#options.bytes * ROOM_FACTOR} bytes free`);
      this.#held = true;
    } catch (failure) {
      this.#notBefore = performance.now() + MISSING_PAUSE_MS;
      this.#options.warn(failure, "the audit trail has no reserve: a full disk could not be recorded");
    }
  }

  /** Gives the space back to the disk. False where there was none to give. */
  release(): boolean {
    if (!this.#held) return false;
    this.#held = false;
    try {
      this.#options.fs.unlinkSync(this.#path);
      // A journalling file system gives blocks out again only when their deletion is on disk.
      syncFolder(this.#options.fs, this.#options.folder);
    } catch (failure) {
      this.#options.warn(failure, "the reserve of the audit trail could not be released");
      return false;
    }
    this.#spent = true;
    this.#notBefore = 0;
    return true;
  }

  /** True once the disk has room again; the reserve is then made anew. */
  regain(): boolean {
    if (!this.#spent) return true;
    if (performance.now() < this.#notBefore) return false;
    try {
      if (!this.#makeWhereThereIsRoom()) return false;
    } catch (failure) {
      this.#notBefore = performance.now() + REFUSED_PAUSE_MS;
      this.#options.warn(failure, "the reserve of the audit trail could not be made again");
      return false;
    }
    this.#held = true;
    this.#spent = false;
    return true;
  }

  #makeWhereThereIsRoom(): boolean {
    const { fs, folder, bytes } = this.#options;
    const { bavail, bsize } = fs.statfsSync(folder);
    if (bavail * bsize < bytes * ROOM_FACTOR) return false;
    this.#make();
    return true;
  }

  #make(): void {
    const { fs, folder } = this.#options;
    // A crash may have left a part of one.
    if (fs.lstatSync(this.#path, { throwIfNoEntry: false })?.isFile() === true) fs.unlinkSync(this.#path);
    const fd = fs.openSync(this.#path, WRITABLE, 0o600);
    try {
      this.#fill(fd);
    } catch (failure) {
      fs.unlinkSync(this.#path);
      throw failure;
    } finally {
      fs.closeSync(fd);
    }
    syncFolder(fs, folder);
  }

  /** Random bytes take all of their space on a file system that compresses, too. */
  #fill(fd: number): void {
    const { fs, bytes } = this.#options;
    const noise = randomFillSync(Buffer.allocUnsafe(bytes));
    for (let done = 0; done < bytes;) {
      const count = fs.writeSync(fd, noise, done, bytes - done);
      if (count === 0) throw new Error("the file took no bytes");
      done += count;
    }
    fs.fdatasyncSync(fd);
  }

  #isWhole(): boolean {
    const found = this.#options.fs.lstatSync(this.#path, { throwIfNoEntry: false });
    return found?.isFile() === true && found.size === this.#options.bytes && found.blocks * 512 >= found.size;
  }
}
