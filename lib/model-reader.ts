/** Bytes of a verified model, each tile of them checked anew on its way: what comes out is what was verified. */
import type { ModelLoadErrorCode } from "./errors.ts";
import { ModelLoadError, refusalCode } from "./errors.ts";
import type { ModelLife } from "./model-life.ts";
import { native } from "./native.ts";
import type { NativeModel, NativeRefusal, NativeWindow } from "./native.ts";
import { Slots } from "./slots.ts";

/** How to stop a reading. */
export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ReaderContext {
  readonly sizeBytes: number;
  /** Writes the refusal to the trail; what goes wrong there is attached to it. */
  readonly record: (error: ModelLoadError) => Promise<void>;
  readonly count: (code: "OK" | ModelLoadErrorCode, bytes: number) => void;
}

/** One copy holds at most so much; what is larger comes as a stream. */
export const READ_BYTES_MAX: number = 2 ** 31;
/** Four tiles: a turn of the event loop for each, and little memory. */
const CHUNK_BYTES = 2 ** 20;
/** Each reading has a thread. */
const READS_AT_ONCE = 4;

export class ModelReader {
  readonly #native: NativeModel;
  readonly #life: ModelLife;
  readonly #context: ReaderContext;
  readonly #slots = new Slots(READS_AT_ONCE);

  constructor(held: NativeModel, life: ModelLife, context: ReaderContext) {
    this.#native = held;
    this.#life = life;
    this.#context = context;
  }

  /** @throws TypeError or RangeError before anything is read */
  async read(offset: number, length: number, options: ReadOptions = {}): Promise<Buffer> {
    if (length > READ_BYTES_MAX) throw new RangeError(`length must be at most ${READ_BYTES_MAX}, not ${length}; use stream() for more`);
    this.#demandRange(offset, length);
    const signal = this.#signal(options);
    if (!(await this.#slots.take(signal))) throw this.#stopped(signal);
    try {
      // The model may have been disposed between the slot and this line.
      if (signal.aborted) throw this.#stopped(signal);
      return await this.#window(offset, length, signal);
    } finally {
      this.#slots.give();
    }
  }

  /** `read` is called for each chunk, so that whatever it holds lives as long as the stream. */
  stream(offset: number, length: number, read: (offset: number, length: number) => Promise<Buffer>): ReadableStream<Uint8Array> {
    this.#demandRange(offset, length);
    const end = offset + length;
    let at = offset;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const take = Math.min(CHUNK_BYTES - (at % CHUNK_BYTES), end - at);
        if (take > 0) controller.enqueue(await read(at, take));
        at += take;
        if (at === end) controller.close();
      },
    }, { highWaterMark: 1 });
  }

  async #window(offset: number, length: number, signal: AbortSignal): Promise<Buffer> {
    const control = native.newControl();
    const stop = (): void => { control.cancel(); };
    signal.addEventListener("abort", stop, { once: true });
    try {
      const reading = async (): Promise<NativeWindow> => this.#native.read(offset, length, control);
      return await this.#judged(await reading().catch(failedInside), signal);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async #judged({ bytes, refusal }: NativeWindow, signal: AbortSignal): Promise<Buffer> {
    if (bytes !== undefined) {
      this.#context.count("OK", bytes.length);
      return bytes;
    }
    const code = refusalCode(refusal?.code ?? "INTERNAL");
    if (code === "ABORTED") throw this.#stopped(signal);
    const error = new ModelLoadError(code, refusal ?? NEITHER);
    await this.#context.record(error);
    this.#context.count(code, 0);
    throw error;
  }

  #demandRange(offset: number, length: number): void {
    const { sizeBytes } = this.#context;
    demandWhole(offset, "offset", sizeBytes);
    demandWhole(length, "length", sizeBytes - offset);
  }

  /** Aborts when the caller's signal does, or the model is disposed. */
  #signal({ signal }: ReadOptions): AbortSignal {
    const { ending } = this.#life;
    if (signal === undefined) return ending;
    if (!(signal instanceof AbortSignal)) throw new TypeError(`signal must be an AbortSignal, not ${typeof signal}`);
    return AbortSignal.any([ending, signal]);
  }

  #stopped(signal: AbortSignal): Error {
    if (this.#life.ended) return this.#life.disposedError();
    this.#context.count("ABORTED", 0);
    return new ModelLoadError("ABORTED", { message: "the reading was aborted", cause: signal.reason });
  }
}

const NEITHER: NativeRefusal = { code: "INTERNAL", message: "the bytes were neither read nor refused", retriable: false };

function failedInside(bug: unknown): NativeWindow {
  const message = bug instanceof Error ? bug.message : String(bug);
  return { refusal: { code: "INTERNAL", message: `model-loader failed inside: ${message}`, retriable: false } };
}

function demandWhole(value: unknown, name: string, most: number): void {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number, not ${typeof value}`);
  if (Number.isInteger(value) && value >= 0 && value <= most) return;
  throw new RangeError(`${name} must be a whole number from 0 to ${most}, not ${value}`);
}
