/** What the verified header says, decoded only when asked for. */
import type { NativeArray, NativeFinding, NativeGguf, NativeScalar, NativeSummary } from "./native.ts";

/** Rows fetched from the native header at a time: one crossing for many, a small array all the same. */
const TENSORS_A_FETCH = 256;

/** u8 to u32, i8 to i32 and floats are numbers; u64 and i64 are bigints; strings are UTF-8 with U+FFFD where they are not. */
export type MetadataValue = NativeScalar | NativeArray;

export interface MetadataType {
  /** As ggml writes it: `u32`, `str`, `arr[str]`. */
  readonly type: string;
  /** Number of elements; 1 for a scalar. */
  readonly length: number;
  /** Byte offset of the value in the file. */
  readonly offset: number;
}

/** A departure from the format's text that engines live with. */
export interface Finding extends NativeFinding {
  /** Which part of a split model it is in, counted from 1; absent for a model of one file. */
  readonly part?: number;
}

export interface TensorInfo {
  readonly name: string;
  /** As ggml writes it: `q4_K`, `f32`. */
  readonly type: string;
  /** Elements per dimension, the contiguous one first. */
  readonly shape: readonly bigint[];
  /** Byte offset of the data in its file. */
  readonly offset: number;
  /** Which file of the model that is, counted from 1 as in the files' names: `model.parts[part - 1]`. */
  readonly part: number;
  /** Bytes of the data, padding not counted. */
  readonly bytes: number;
}

/**
 * A parsed GGUF header. It outlives the model: it holds no descriptor. Of a split model it is the first part's, from which engines
 * take the metadata, with the tensors and findings of all parts.
 */
export class GgufView {
  readonly version: number;
  readonly alignment: number;
  readonly metadataCount: number;
  readonly tensorCount: number;
  /** Bytes from the file's start to the end of the tensor table. */
  readonly headerBytes: number;
  /** Byte offset of the first tensor's data. */
  readonly dataOffset: number;
  readonly architecture: string | undefined;
  readonly split: NativeSummary["split"];
  readonly findings: readonly Finding[];
  /** How many findings there are; `findings` holds the first of them. */
  readonly findingCount: number;
  readonly #native: NativeGguf;
  readonly #all: readonly NativeGguf[];

  /** @internal Made by the loader alone. */
  constructor(header: NativeGguf, later: readonly NativeGguf[] = []) {
    const summary = header.summary();
    const more = later.map((part) => part.summary());
    this.#native = header;
    this.#all = [header, ...later];
    this.version = summary.version;
    this.alignment = summary.alignment;
    this.metadataCount = summary.metadataCount;
    this.tensorCount = more.reduce((sum, part) => sum + part.tensorCount, summary.tensorCount);
    this.headerBytes = summary.headerBytes;
    this.dataOffset = summary.dataOffset;
    this.architecture = summary.architecture;
    this.split = summary.split;
    this.findings = more.length === 0 ? summary.findings : [summary, ...more].flatMap(({ findings }, index) => findings.map((finding) => ({ ...finding, part: index + 1 })));
    this.findingCount = more.reduce((sum, part) => sum + part.findingCount, summary.findingCount);
  }

  /** All metadata keys in file order. */
  metadataKeys(): string[] {
    return this.#native.keys();
  }

  /** The value of `key`, decoded now, or undefined where the file has no such key. */
  metadata(key: string): MetadataValue | undefined {
    return this.#native.value(asKey(key)) ?? undefined;
  }

  /** Type, length and place of `key` without decoding its value. */
  metadataType(key: string): MetadataType | undefined {
    return this.#native.describe(asKey(key)) ?? undefined;
  }

  /** All tensors in file order, part after part, fetched as the iteration goes. */
  get tensors(): Iterable<TensorInfo> {
    const headers = this.#all;
    return { [Symbol.iterator]: () => tensorsOf(headers) };
  }

  tensor(name: string): TensorInfo | undefined {
    const key = asKey(name);
    for (const [index, header] of this.#all.entries()) {
      const row = header.tensorNamed(key);
      if (row !== null) return { ...row, part: index + 1 };
    }
    return undefined;
  }
}

function* tensorsOf(headers: readonly NativeGguf[]): Generator<TensorInfo, undefined> {
  for (const [index, header] of headers.entries()) {
    let fetched = TENSORS_A_FETCH;
    for (let first = 0; fetched === TENSORS_A_FETCH; first += fetched) {
      const rows = header.tensors(first, TENSORS_A_FETCH);
      for (const row of rows) yield { ...row, part: index + 1 };
      fetched = rows.length;
    }
  }
  return undefined;
}

function asKey(key: unknown): string {
  if (typeof key === "string") return key;
  throw new TypeError(`a key or tensor name must be a string, not ${typeof key}`);
}
