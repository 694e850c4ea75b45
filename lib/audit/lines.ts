/** The lines of a file of any size, in constant memory. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { createHash, hash } from "node:crypto";

const BLOCK_BYTES = 1024 * 1024;
/** Where in a block's memory the bytes of the file land. In front there is room for the rest of a line, and a byte before that. */
const DATA = 1 + BLOCK_BYTES;
const NEWLINE = 0x0a;

/** A line lies at `start..end` of `block`, without its newline, and at `offset` in the file. Return false to stop. */
export type VisitLine = (block: Buffer, start: number, end: number, offset: number) => boolean;

export interface Extent {
  readonly bytes: number;
  /** Where the bytes after the last newline begin; equal to `bytes` where there are none. */
  readonly end: number;
}

/** Visits every line that ends with a newline. One that is longer than a block is visited cut, so that it is no record. */
export async function eachLine(path: string, visit: VisitLine, from = 0): Promise<Extent> {
  const file = await openToRead(path);
  try {
    return await new LineReader(file, visit, from).run();
  } finally {
    await file.close();
  }
}

/** What `read` makes of the lines, a block's worth at a time and at the consumer's pace. */
export async function* lineBatches<T>(path: string, read: (block: Buffer, start: number, end: number) => T | undefined): AsyncGenerator<T[]> {
  const file = await openToRead(path);
  let batch: T[] = [];
  const visit: VisitLine = (block, start, end) => {
    const made = read(block, start, end);
    if (made !== undefined) batch.push(made);
    return true;
  };
  try {
    const reader = new LineReader(file, visit, 0);
    while (await reader.step()) {
      yield batch;
      batch = [];
    }
  } finally {
    await file.close();
  }
}

/** The leaf hash of a visited line, hashed where it lies, without a copy: the byte before it is its own to overwrite with the prefix. */
export function leafAt(block: Buffer, start: number, end: number): string {
  block[start - 1] = 0;
  return hash("sha256", block.subarray(start - 1, end), "hex");
}

/** `len` bytes from `offset`, or as many as there are. */
export async function readRange(path: string, offset: number, len: number): Promise<Buffer> {
  const file = await openToRead(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(len), 0, len, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The digest of the bytes from `offset` to the end. */
export async function digestFrom(path: string, offset: number): Promise<string> {
  const digest = createHash("sha256");
  const file = await openToRead(path);
  for await (const block of file.createReadStream({ start: offset })) digest.update(block as Buffer);
  return digest.digest("hex");
}

function openToRead(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
}

/** Reads one block ahead of the one that is visited. */
class LineReader {
  readonly #file: FileHandle;
  readonly #visit: VisitLine;
  #block = Buffer.alloc(DATA + BLOCK_BYTES);
  #spare = Buffer.alloc(DATA + BLOCK_BYTES);
  /** What was read and not visited yet is `start..end` of the block. */
  #start = DATA;
  #end = DATA;
  /** The file's offset of `start`. */
  #offset: number;
  /** Into the spare block; it lands at {@link DATA} there. */
  #ahead: Promise<number>;
  /** Where the current line began, when its start was dropped because it is too long. */
  #longFrom: number | undefined;

  constructor(file: FileHandle, visit: VisitLine, from: number) {
    this.#file = file;
    this.#visit = visit;
    this.#offset = from;
    this.#ahead = this.#read(from);
  }

  async run(): Promise<Extent> {
    while (await this.step()) continue;
    return { bytes: this.#offset + this.#end - this.#start, end: this.#longFrom ?? this.#offset };
  }

  /** Visits the lines of one block; false at the end of the file, or when the visitor wants no more. */
  async step(): Promise<boolean> {
    const count = await this.#ahead;
    if (count === 0) return false;
    this.#turn(count);
    this.#ahead = this.#read(this.#offset + this.#end - this.#start);
    return this.#take();
  }

  #read(offset: number): Promise<number> {
    const read = this.#file.read(this.#spare, DATA, BLOCK_BYTES, offset).then(({ bytesRead }) => bytesRead);
    // A visitor that wants no more never asks how the last one ended; whoever goes on hears of it.
    read.catch(() => undefined);
    return read;
  }

  /** The spare block becomes the block, with what is left of the current line in front of what was read. */
  #turn(count: number): void {
    const rest = this.#end - this.#start;
    this.#block.copy(this.#spare, DATA - rest, this.#start, this.#end);
    [this.#block, this.#spare] = [this.#spare, this.#block];
    this.#start = DATA - rest;
    this.#end = DATA + count;
  }

  #take(): boolean {
    const filled = this.#block.subarray(0, this.#end);
    for (let end = filled.indexOf(NEWLINE, this.#start); end !== -1; end = filled.indexOf(NEWLINE, this.#start)) {
      if (!this.#line(end)) return false;
    }
    if (this.#end - this.#start >= BLOCK_BYTES) this.#dropLong();
    return true;
  }

  #line(end: number): boolean {
    const start = this.#start;
    const offset = this.#longFrom ?? this.#offset;
    const long = this.#longFrom !== undefined;
    this.#longFrom = undefined;
    if (!this.#visit(this.#block, start, long ? start : end, offset)) return false;
    this.#offset += end + 1 - start;
    this.#start = end + 1;
    return true;
  }

  #dropLong(): void {
    this.#longFrom ??= this.#offset;
    this.#offset += this.#end - this.#start;
    this.#start = this.#end;
  }
}
