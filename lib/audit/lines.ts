/** The lines of a file of any size, in constant memory. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { createHash, hash } from "node:crypto";

const BLOCK_BYTES = 1024 * 1024;
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

class LineReader {
  readonly #file: FileHandle;
  readonly #visit: VisitLine;
  /** One byte in front, so that every line has a byte before it. */
  readonly #block = Buffer.alloc(1 + BLOCK_BYTES);
  #filled = 1;
  /** The file's offset of the block's second byte. */
  #base: number;
  /** Where the current line began, when its start was dropped because it is too long. */
  #longFrom: number | undefined;

  constructor(file: FileHandle, visit: VisitLine, from: number) {
    this.#file = file;
    this.#visit = visit;
    this.#base = from;
  }

  async run(): Promise<Extent> {
    while (await this.step()) continue;
    return { bytes: this.#base + this.#filled - 1, end: this.#longFrom ?? this.#base };
  }

  /** Visits the lines of one block; false at the end of the file, or when the visitor wants no more. */
  async step(): Promise<boolean> {
    const room = this.#block.length - this.#filled;
    const { bytesRead } = await this.#file.read(this.#block, this.#filled, room, this.#base + this.#filled - 1);
    this.#filled += bytesRead;
    return bytesRead > 0 && this.#take();
  }

  #take(): boolean {
    const filled = this.#block.subarray(0, this.#filled);
    let start = 1;
    for (let end = filled.indexOf(NEWLINE, start); end !== -1; end = filled.indexOf(NEWLINE, start)) {
      if (!this.#line(start, end)) return false;
      start = end + 1;
    }
    if (start === 1 && this.#filled === this.#block.length) this.#dropLong();
    else this.#keep(start);
    return true;
  }

  #line(start: number, end: number): boolean {
    const longFrom = this.#longFrom;
    this.#longFrom = undefined;
    if (longFrom !== undefined) return this.#visit(this.#block, start, start, longFrom);
    return this.#visit(this.#block, start, end, this.#base + start - 1);
  }

  #keep(start: number): void {
    this.#block.copyWithin(1, start, this.#filled);
    this.#base += start - 1;
    this.#filled -= start - 1;
  }

  #dropLong(): void {
    this.#longFrom ??= this.#base;
    this.#base += this.#filled - 1;
    this.#filled = 1;
  }
}
