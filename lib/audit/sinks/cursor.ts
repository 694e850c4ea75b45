/**
 * How far a sink got that cannot say so itself. The file is replaced as a whole and at most once a second: after a crash the sink
 * gets some records again, and none too few.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { NODE_TLOG_FS } from "../../tlog/tlog-fs.ts";
import type { WholeFile } from "../../tlog/tlog-fs.ts";
import { writeFilesSync } from "../../tlog/whole-file.ts";
import type { HeldRecord } from "./destination.ts";

const FILE_BYTES_MAX = 256;
const SAVED_EVERY_MS = 1_000;
const CURSOR = /^(\d{1,16}) ([0-9a-f]{64})\n$/;

export class Cursor {
  readonly #path: string;
  #last: HeldRecord | undefined;
  #saved: HeldRecord | undefined;
  #savedMs = 0;

  constructor(dir: string, sink: string) {
    this.#path = join(dir, "sinks", `${sink}.cursor`);
    this.#last = this.#saved = this.#read();
  }

  /** The last record that was delivered, in this run or an earlier one. */
  get last(): HeldRecord | undefined {
    return this.#last;
  }

  /** Rejects where the file could not be replaced; the next one may be. */
  async moved(last: HeldRecord): Promise<void> {
    this.#last = last;
    if (Date.now() - this.#savedMs < SAVED_EVERY_MS) return;
    this.#savedMs = Date.now();
    this.#saved = last;
    await NODE_TLOG_FS.storeFiles([this.#file(last)]);
  }

  /** The same at once, for the end of a run. */
  saveSync(): void {
    const last = this.#last;
    if (last === undefined || last === this.#saved) return;
    writeFilesSync(NODE_TLOG_FS, [this.#file(last)]);
    this.#saved = last;
  }

  #file({ seq, leaf }: HeldRecord): WholeFile {
    return { path: this.#path, content: Buffer.from(`${seq} ${leaf}\n`) };
  }

  /** A cursor that cannot be read is none: the sink gets everything again. */
  #read(): HeldRecord | undefined {
    const stats = fs.lstatSync(this.#path, { throwIfNoEntry: false });
    if (stats === undefined || !stats.isFile() || stats.size > FILE_BYTES_MAX) return undefined;
    const [, seq, leaf] = CURSOR.exec(fs.readFileSync(this.#path, "latin1")) ?? [];
    const number = Number(seq);
    return leaf !== undefined && Number.isSafeInteger(number) ? { seq: number, leaf } : undefined;
  }
}
