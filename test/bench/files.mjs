/** The files that the benchmarks read: made when first asked for, deleted with their folder at the end. */
import { createHash, randomFillSync } from "node:crypto";
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bigVocabulary, sparseModel, tinyModelSpec } from "../fixtures/models.mjs";
import { u8, writeGguf } from "../fixtures/gguf-writer.mjs";
import { partName, setDigest, splitSpecs } from "../fixtures/split-models.mjs";

const BLOCK_BYTES = 8 * 1024 * 1024;

export class Files {
  #folder = mkdtempSync(join(tmpdir(), "model-loader-bench-"));
  #made = new Map();

  /** For what a benchmark writes itself; removed with the files. */
  get folder() {
    return this.#folder;
  }

  /** 256,000 tokens, 269,000 merges, 1,000 tensors; little data, since the bare walk reads its file whole. */
  vocabulary() {
    return this.#once("vocabulary.gguf", (path) => {
      const file = bigVocabulary({ embedding: 32 });
      file.save(path);
      return { headerBytes: file.headerBytes };
    });
  }

  /** A model of so many bytes with data that were really written: holes would cost no reading. */
  written(bytes) {
    return this.#once(`model-${bytes}.gguf`, (path) => ({ sha256: writeNoise(path, sparseModel(bytes)), bytes }));
  }

  /** A split model of about so many bytes in all, in so many equal parts; its digest is that of the set. */
  split(bytes, parts) {
    return this.#once(partName(`split-${bytes}`, 0, parts), () => {
      const sizes = Array.from({ length: parts }, (_, index) => [index, Math.floor(bytes / parts / 32) * 32]);
      const tensors = sizes.map(([index, size]) => ({ name: `blob.${index}.weight`, type: "i8", shape: [size] }));
      const written = splitSpecs({ metadata: tinyModelSpec().metadata, tensors }, parts).map(writeGguf);
      const paths = written.map((_, index) => join(this.#folder, partName(`split-${bytes}`, index, parts)));
      const digests = written.map((part, index) => writeNoise(paths[index], part));
      return { sha256: setDigest(digests), bytes: written.reduce((sum, { fileSize }) => sum + fileSize, 0), paths };
    });
  }

  /** Takes a model off the disk again before the end. */
  drop({ path, paths = [path] }) {
    for (const each of paths) rmSync(each);
    for (const [name, made] of this.#made) if (made.path === path) this.#made.delete(name);
  }

  /** A header with so many distinct metadata keys. */
  manyKeys(count) {
    return this.#once(`keys-${count}.gguf`, (path) => {
      writeGguf({ metadata: Array.from({ length: count }, (_, index) => [`bench.key_${index}`, u8(1)]) }).save(path);
      return {};
    });
  }

  /** A header with so many distinct tensors. */
  manyTensors(count) {
    return this.#once(`tensors-${count}.gguf`, (path) => {
      const tensors = Array.from({ length: count }, (_, index) => ({ name: `blk.${index}.weight`, type: "i8", shape: [1] }));
      writeGguf({ tensors }).save(path);
      return {};
    });
  }

  remove() {
    rmSync(this.#folder, { recursive: true });
  }

  #once(name, make) {
    if (!this.#made.has(name)) {
      const path = join(this.#folder, name);
      this.#made.set(name, { path, ...make(path) });
    }
    return this.#made.get(name);
  }
}

/**
 * Writes the header and noise behind it, digests both on the way, and waits for the disk: no measurement is to
 * compete with the writing back. The file stays in the page cache.
 */
function writeNoise(path, { header, dataOffset, fileSize }) {
  const hash = createHash("sha256");
  const fd = openSync(path, "w");
  const put = (bytes) => {
    hash.update(bytes);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  };
  put(Buffer.concat([header, Buffer.alloc(dataOffset - header.length)]));
  for (const block of noise(fileSize - dataOffset)) put(block);
  fsyncSync(fd);
  closeSync(fd);
  return hash.digest("hex");
}

/** One random block again and again, each time with its number in front, so that no two are equal. */
function* noise(bytes) {
  const block = randomFillSync(Buffer.alloc(BLOCK_BYTES));
  for (let at = 0; at < bytes; at += BLOCK_BYTES) {
    block.writeDoubleLE(at, 0);
    yield block.subarray(0, Math.min(BLOCK_BYTES, bytes - at));
  }
}
