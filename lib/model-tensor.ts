/** One tensor of a verified model: what the header says of it, and its bytes, checked on their way. */
import type { TensorInfo } from "./gguf-view.ts";
import type { ModelPart } from "./model-part.ts";
import type { ReadOptions } from "./model-reader.ts";

export class ModelTensor implements TensorInfo {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly bigint[];
  readonly offset: number;
  readonly part: number;
  readonly bytes: number;
  readonly #file: ModelPart;

  /** @internal Made by the model alone. */
  constructor(file: ModelPart, { name, type, shape, offset, part, bytes }: TensorInfo) {
    this.#file = file;
    this.name = name;
    this.type = type;
    this.shape = shape;
    this.offset = offset;
    this.part = part;
    this.bytes = bytes;
  }

  /** A copy of the tensor's bytes, of at most 2 GiB. @throws as {@link Model.read} */
  async read(options?: ReadOptions): Promise<Buffer> {
    return this.#file.read(this.offset, this.bytes, options);
  }

  /** The tensor's bytes in chunks, of any size in all. */
  stream(options?: ReadOptions): ReadableStream<Uint8Array> {
    return this.#file.stream(this.offset, this.bytes, options);
  }
}
