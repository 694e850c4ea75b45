/** A verified model: the open descriptor of the very file that was judged, and what was found in it. */
import type { DigestSourceName } from "./digest-source/source.ts";
import type { GgufView } from "./gguf-view.ts";
import type { GuardName } from "./guard.ts";
import { IMPLEMENTATIONS } from "./implementations.ts";
import type { Implementations } from "./implementations.ts";
import type { ModelLife } from "./model-life.ts";
import { ModelPart } from "./model-part.ts";
import type { PartContext } from "./model-part.ts";
import type { ReadOptions } from "./model-reader.ts";
import { ModelTensor } from "./model-tensor.ts";
import type { NativeModel } from "./native.ts";
import type { Promised } from "./promised.ts";
import type { Proof } from "./proof.ts";
import type { Evidence } from "./vram/evidence.ts";
import type { ForeignRange, ForeignReport } from "./vram/foreign.ts";
import type { ModelVram, Offloaded, OffloadOptions } from "./vram/model-vram.ts";
import type { ForeignOptions, SpotCheckOptions } from "./vram/options.ts";
import type { Shard } from "./vram/shard.ts";

/** What a model knows from the pass that verified it. */
export interface ModelFacts {
  readonly sha256: string;
  readonly blake3: string | undefined;
  readonly proof: Proof;
  readonly sizeBytes: number;
  readonly promised: Promised;
  readonly gguf: GgufView;
  readonly auditError: Error | undefined;
  readonly guardShortfall: string | undefined;
  readonly verityDigest: string | undefined;
  readonly parts: readonly (readonly [NativeModel, PartContext])[];
  /** The first part's link in the folder of a set's links. */
  readonly linkPath: string | undefined;
}

export class Model implements AsyncDisposable, Disposable {
  /**
   * SHA-256 of the whole file in lower-case hex, computed from the bytes that were judged. Of a split model: SHA-256 of its parts'
   * digests, in hex with a line feed behind each, in order.
   */
  readonly sha256: string;
  /** BLAKE3 of the same bytes in lower-case hex: what `b3sum` says of the file. A split model has none. */
  readonly blake3: string | undefined;
  /** The model's files: one, or the parts of a split model in order. */
  readonly parts: readonly ModelPart[];
  /** What proves the SHA-256: the bytes themselves, or a record of an earlier proof. */
  readonly proof: Proof;
  /** The instructions that computed the digests. */
  readonly implementations: Implementations;
  readonly sizeBytes: number;
  /** True when a digest had been promised, and it was this one; of a split model, when those of all parts were. */
  readonly digestExpected: boolean;
  /** Who promised it: the caller, or the source of digests that was asked. */
  readonly digestFrom: "caller" | DigestSourceName | undefined;
  readonly gguf: GgufView;
  /** Set only under `onAuditFailure: "continue"`: why this load is not in the trail. */
  readonly auditError: Error | undefined;
  /** Why the guard is no better one, of those that were tried: which file system, which error. */
  readonly guardShortfall: string | undefined;
  /** The file's own digest under fs-verity, as `sha256:HEX`. */
  readonly verityDigest: string | undefined;
  readonly #life: ModelLife;
  readonly #linkPath: string | undefined;
  readonly #vram: ModelVram;

  /** @internal Made by the loader alone, from a verdict. */
  constructor(life: ModelLife, vram: ModelVram, facts: ModelFacts) {
    this.#life = life;
    this.#vram = vram;
    this.#linkPath = facts.linkPath;
    this.parts = facts.parts.map(([held, context]) => new ModelPart(this, held, context));
    this.sha256 = facts.sha256;
    this.blake3 = facts.blake3;
    this.proof = facts.proof;
    this.implementations = IMPLEMENTATIONS;
    this.sizeBytes = facts.sizeBytes;
    this.digestExpected = facts.promised.sha256 !== undefined;
    this.digestFrom = facts.promised.from;
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

  /**
   * A path that opens the verified file itself, whatever has become of its name. Valid in this process until disposal. For a split
   * model it is the first part's name in a private folder, in which an engine finds the other parts by theirs.
   */
  get path(): string {
    const own = `/proc/self/fd/${this.fd}`;
    return this.#linkPath ?? own;
  }

  /** The read-only descriptor, of a split model the first part's. @throws Error after disposal: the number may by then mean another file. */
  get fd(): number {
    if (!this.#life.ended) return this.#life.fd;
    throw this.#life.disposedError();
  }

  /**
   * A copy of these bytes of the file, at most 2 GiB. Every tile of 256 KiB that they touch is read and compared with
   * the value that was verified, so the copy holds the verified bytes whatever became of the file meanwhile.
   * @throws ModelLoadError CHANGED_AFTER_CHECK (recorded as IntegrityViolation first), IO or ABORTED;
   *   TypeError or RangeError for a range outside the file; Error MODEL_DISPOSED; TypeError for a split model, whose parts are
   *   read one by one
   */
  async read(offset: number, length: number, options?: ReadOptions): Promise<Buffer> {
    return this.#only().read(offset, length, options);
  }

  /**
   * The same bytes in chunks of at most 1 MiB, of any size in all; without a range, the whole file.
   * A chunk that is not what was verified is not given out: the stream fails there as {@link read} does.
   */
  stream(offset?: number, length?: number, options?: ReadOptions): ReadableStream<Uint8Array> {
    return this.#only().stream(offset, length, options);
  }

  /** One tensor with its bytes; undefined where the model has none of this name. */
  tensor(name: string): ModelTensor | undefined {
    const found = this.gguf.tensor(name);
    const part = found === undefined ? undefined : this.parts[found.part - 1];
    return found === undefined || part === undefined ? undefined : new ModelTensor(part, found);
  }

  #only(): ModelPart {
    const [part, ...more] = this.parts;
    if (part !== undefined && more.length === 0) return part;
    throw new TypeError(`this model has ${this.parts.length} parts, each with its own offsets: read from model.parts[i], or from model.tensor(name)`);
  }

  /**
   * Weights that another library loaded into GPU memory of this process (CUDA): hashes each range where it lies and compares it with
   * the verified tensor. Proves what those ranges hold and where they lie; not that the engine computes with them.
   * @throws VramError VRAM_VERIFICATION_FAILED or VRAM_NOT_RESIDENT, recorded as CRITICAL first; VRAM_BAD_RANGE; VRAM_NO_DRIVER …
   */
  async verifyRanges(ranges: readonly ForeignRange[], options?: ForeignOptions): Promise<ForeignReport> {
    if (this.#life.ended) throw this.#life.disposedError();
    return this.#vram.verifyRanges(ranges, options);
  }

  /**
   * Holds random tiles of this model, sealed in GPU memory, against the same tiles of its files, which are read again: both under a key
   * that nobody could know before. A change in a fraction f of the tiles escapes k of them with the probability (1 - f)^k.
   * @throws TypeError where the shard holds another model; VramError as {@link Shard.verify}, and
   *   VRAM_FILE_CHANGED where a file is no longer the verified one
   */
  async spotCheck(shard: Shard, options?: SpotCheckOptions): Promise<Evidence> {
    if (this.#life.ended) throw this.#life.disposedError();
    if (this.sha256 !== shard.sha256) throw new TypeError("this shard holds another model");
    return this.#vram.spotCheck(shard, options);
  }

  /**
   * Runs `load`, which lets an engine load this model, and holds the growth of device and host memory against the bytes that
   * `gpuLayers` puts on the GPU. Counters alone: a shortfall is a fact, a match proves no content. Recorded; never refuses.
   */
  async measureOffload<T>(options: OffloadOptions, load: () => Promise<T>): Promise<Offloaded<T>> {
    return this.#vram.measureOffload(options, load);
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
