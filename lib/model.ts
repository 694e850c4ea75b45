/** A verified model: the open descriptor of the very file that was judged, and what was found in it. */
import type { GgufView } from "./gguf-view.ts";
import type { GuardName } from "./guard.ts";
import { IMPLEMENTATIONS } from "./implementations.ts";
import type { Implementations } from "./implementations.ts";
import type { ModelLife } from "./model-life.ts";
import type { ModelReader, ReadOptions } from "./model-reader.ts";
import { ModelTensor } from "./model-tensor.ts";
import type { Proof } from "./proof.ts";

/** Models that nobody holds but a reading: collecting one would end its life, and the reading with it. */
const beingRead = new Set<object>();

/** What a model knows from the pass that verified it. */
export interface ModelFacts {
  readonly sha256: string;
  readonly blake3: string;
  readonly proof: Proof;
  readonly sizeBytes: number;
  readonly digestExpected: boolean;
  readonly gguf: GgufView;
  readonly auditError: Error | undefined;
  readonly guardShortfall: string | undefined;
  readonly verityDigest: string | undefined;
}

export class Model implements AsyncDisposable, Disposable {
  /** SHA-256 of the whole file in lower-case hex, computed from the bytes that were judged. */
  readonly sha256: string;
  /** BLAKE3 of the same bytes in lower-case hex: what `b3sum` says of the file. */
  readonly blake3: string;
  /** What proves the SHA-256: the bytes themselves, or a record of an earlier proof. */
  readonly proof: Proof;
  /** The instructions that computed the digests. */
  readonly implementations: Implementations;
  readonly sizeBytes: number;
  /** True when the caller had promised a digest, and it was this one. */
  readonly digestExpected: boolean;
  readonly gguf: GgufView;
  /** Set only under `onAuditFailure: "continue"`: why this load is not in the trail. */
  readonly auditError: Error | undefined;
  /** Why the guard is no better one, of those that were tried: which file system, which error. */
  readonly guardShortfall: string | undefined;
  /** The file's own digest under fs-verity, as `sha256:HEX`. */
  readonly verityDigest: string | undefined;
  readonly #life: ModelLife;
  readonly #reader: ModelReader;

  /** @internal Made by the loader alone, from a verdict. */
  constructor(life: ModelLife, reader: ModelReader, facts: ModelFacts) {
    this.#life = life;
    this.#reader = reader;
    this.sha256 = facts.sha256;
    this.blake3 = facts.blake3;
    this.proof = facts.proof;
    this.implementations = IMPLEMENTATIONS;
    this.sizeBytes = facts.sizeBytes;
    this.digestExpected = facts.digestExpected;
    this.gguf = facts.gguf;
    this.auditError = facts.auditError;
    this.guardShortfall = facts.guardShortfall;
    this.verityDigest = facts.verityDigest;
  }

  /** What keeps the bytes from changing, looked at now; a broken lease leaves `pinned`. After disposal, as it was then. */
  get guard(): GuardName {
    return this.#life.guard.look();
  }

  /** True once somebody asked to write to a file that was handed over as `leased`. */
  get guardBroken(): boolean {
    this.#life.guard.look();
    return this.guardSignal.aborted;
  }

  /** Aborts with an Error of code GUARD_BROKEN when the guard breaks, a second later at most. */
  get guardSignal(): AbortSignal {
    return this.#life.guard.signal;
  }

  /** A path that opens the verified file itself, whatever has become of its name. Valid in this process until disposal. */
  get path(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /** The read-only descriptor. @throws Error after disposal: the number may by then mean another file. */
  get fd(): number {
    if (!this.#life.ended) return this.#life.fd;
    throw this.#life.disposedError();
  }

  /**
   * A copy of these bytes of the file, at most 2 GiB. Every tile of 256 KiB that they touch is read and compared with
   * the value that was verified, so the copy holds the verified bytes whatever became of the file meanwhile.
   * @throws ModelLoadError CHANGED_AFTER_CHECK (recorded as IntegrityViolation first), IO or ABORTED;
   *   TypeError or RangeError for a range outside the file; Error MODEL_DISPOSED
   */
  async read(offset: number, length: number, options?: ReadOptions): Promise<Buffer> {
    const hold = { model: this };
    beingRead.add(hold);
    try {
      return await this.#reader.read(offset, length, options);
    } finally {
      beingRead.delete(hold);
    }
  }

  /**
   * The same bytes in chunks of at most 1 MiB, of any size in all; without a range, the whole file.
   * A chunk that is not what was verified is not given out: the stream fails there as {@link read} does.
   */
  stream(offset = 0, length: number = this.sizeBytes - offset, options?: ReadOptions): ReadableStream<Uint8Array> {
    return this.#reader.stream(offset, length, (at, take) => this.read(at, take, options));
  }

  /** One tensor with its bytes; undefined where the model has none of this name. */
  tensor(name: string): ModelTensor | undefined {
    const found = this.gguf.tensor(name);
    return found === undefined ? undefined : new ModelTensor(this, found);
  }

  get disposed(): boolean {
    return this.#life.ended;
  }

  /** Closes the descriptor and records the unloading durably. A second call does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life.end("disposed");
  }

  /** The same, blocking. */
  [Symbol.dispose](): void {
    this.#life.endSync("disposed");
  }
}
