/** What the verified header says, decoded only when asked for. */
import type { NativeArray, NativeFinding, NativeGguf, NativeScalar, NativeSummary, NativeTensor } from "./native.ts";

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
export type Finding = NativeFinding;

export interface TensorInfo {
  readonly name: string;
  /** As ggml writes it: `q4_K`, `f32`. */
  readonly type: string;
  /** Elements per dimension, the contiguous one first. */
  readonly shape: readonly bigint[];
  /** Byte offset of the data in the file. */
  readonly offset: number;
  /** Bytes of the data, padding not counted. */
  readonly bytes: number;
}

/** A parsed GGUF header. It outlives the model: it holds no descriptor. */
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

  /** @internal Made by the loader alone. */
  constructor(header: NativeGguf) {
    const summary = header.summary();
    this.#native = header;
    this.version = summary.version;
    this.alignment = summary.alignment;
    this.metadataCount = summary.metadataCount;
    this.tensorCount = summary.tensorCount;
    this.headerBytes = summary.headerBytes;
    this.dataOffset = summary.dataOffset;
    this.architecture = summary.architecture;
    this.split = summary.split;
    this.findings = summary.findings;
    this.findingCount = summary.findingCount;
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

  /** All tensors in file order, fetched as the iteration goes. */
  get tensors(): Iterable<TensorInfo> {
    const header = this.#native;
    return { [Symbol.iterator]: () => tensorsOf(header) };
  }

  tensor(name: string): TensorInfo | undefined {
    return this.#native.tensorNamed(asKey(name)) ?? undefined;
  }
}

function* tensorsOf(header: NativeGguf): Generator<NativeTensor, undefined> {
  for (let first = 0; ; first += TENSORS_A_FETCH) {
    const rows = header.tensors(first, TENSORS_A_FETCH);
    yield* rows;
    if (rows.length < TENSORS_A_FETCH) return undefined;
  }
}

function asKey(key: unknown): string {
  if (typeof key === "string") return key;
  throw new TypeError(`a key or tensor name must be a string, not ${typeof key}`);
}
