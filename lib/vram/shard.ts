/** A model that lies sealed in GPU memory: an opaque handle, the facts of its seal, and the checks that it can be put to. */
import type { GgufView } from "../gguf-view.ts";
import type { NativeModel } from "../native.ts";
import type { VramDevice } from "./device.ts";
import type { Evidence } from "./evidence.ts";
import { parseBook, parseChallenge, parseScrubOptions, parseShardVerify } from "./options.ts";
import type { ChallengeOptions, ParsedSpotCheck, ScrubOptions, ShardVerifyOptions } from "./options.ts";
import { Scrub } from "./scrub.ts";
import type { SealRecord } from "./seal-record.ts";
import type { ShardLife } from "./shard-life.ts";
import { TileList } from "./tile-list.ts";

/** A nonce that nobody else knows until it is spent, and the answer that only the model's own bytes give: 64 hex digits each. */
export interface BookEntry {
  readonly nonce: string;
  readonly answer: string;
}

export interface ShardFacts {
  readonly device: VramDevice;
  /** One a file, in order, and the file's bytes. */
  readonly seals: readonly { readonly record: SealRecord; readonly sizeBytes: number }[];
  readonly evidence: Evidence;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly digestExpected: boolean;
  readonly gguf: GgufView;
  readonly seconds: number;
  readonly auditError: Error | undefined;
}

/** One file of a sealed model; most models have only one. */
export class ShardPart {
  readonly record: SealRecord;
  /** SHA-256 and BLAKE3 of the file, which are those of the sealed bytes. */
  readonly sha256: string;
  readonly blake3: string;
  readonly sizeBytes: number;
  readonly #life: ShardLife;

  /** @internal Made by a shard alone. */
  constructor(life: ShardLife, record: SealRecord, sizeBytes: number) {
    this.#life = life;
    this.record = record;
    this.sha256 = record.sha256;
    this.blake3 = record.root;
    this.sizeBytes = sizeBytes;
  }

  /** As {@link Shard.pointer}, of this file. */
  get pointer(): bigint | undefined {
    return this.#life.pointers[this.record.part - 1];
  }
}

/** Shards that nobody holds but a check: collecting one would free its memory, and end the check with it. */
const beingChecked = new Set<object>();

export class Shard implements AsyncDisposable, Disposable {
  /** Random, never used twice; names the shard in the trail. */
  readonly id: string;
  /** The device as it was when the model was sealed. */
  readonly device: VramDevice;
  /** The model's files: one, or the parts of a split model in order. */
  readonly parts: readonly ShardPart[];
  /** What was seen when it was sealed: every tile was hashed on the device and compared with the file's. */
  readonly evidence: Evidence;
  /** As {@link Model.sha256} and {@link Model.blake3}; what they are of are the sealed bytes. A split model has no BLAKE3. */
  readonly sha256: string;
  readonly blake3: string | undefined;
  readonly sizeBytes: number;
  /** True when a digest had been promised, and it was this one; of a split model, when those of all parts were. */
  readonly digestExpected: boolean;
  readonly gguf: GgufView;
  /** From the first byte read to the checked seal. */
  readonly seconds: number;
  /** Set only under `onAuditFailure: "continue"`: why this seal is not in the trail. */
  readonly auditError: Error | undefined;
  readonly #life: ShardLife;

  /** @internal Made by the loader alone. */
  constructor(life: ShardLife, facts: ShardFacts) {
    this.#life = life;
    const [first, ...more] = facts.seals.map(({ record, sizeBytes }) => new ShardPart(life, record, sizeBytes));
    if (first === undefined) throw new Error("a shard has no files");
    this.id = first.record.shardId;
    this.device = facts.device;
    this.parts = [first, ...more];
    this.evidence = facts.evidence;
    this.sha256 = facts.sha256;
    this.blake3 = more.length === 0 ? first.blake3 : undefined;
    this.sizeBytes = facts.sizeBytes;
    this.digestExpected = facts.digestExpected;
    this.gguf = facts.gguf;
    this.seconds = facts.seconds;
    this.auditError = facts.auditError;
  }

  /**
   * Looks at the seal: "quick" at what the driver says and how fast pages answer, "sample" also at a fraction `p` of the tiles,
   * "full" at every tile. Slow but correct is `inconclusive`, after it was measured again.
   * @throws VramError VRAM_VERIFICATION_FAILED, VRAM_NOT_RESIDENT or VRAM_DEVICE_LOST with the evidence, recorded as CRITICAL first;
   *   VRAM_HANDLE_STALE after disposal; VRAM_ABORTED
   */
  async verify(options?: ShardVerifyOptions): Promise<Evidence> {
    const asked = parseShardVerify(options);
    return this.#held((life) => life.check(asked));
  }

  /**
   * As a full check, answered under 32 random bytes of the caller's, given as bytes or hex digits: `freshness.response` cannot have
   * been prepared. Who holds the {@link tileLists} knows what it must be; with `method: "book"` who holds the entry of {@link book}.
   * @throws as {@link verify}; VRAM_VERIFICATION_FAILED where `answer` is another one
   */
  async challenge(nonce: Uint8Array | string, options?: ChallengeOptions): Promise<Evidence> {
    const asked = parseChallenge(nonce, options);
    return this.#held((life) => life.check(asked));
  }

  /**
   * Computes the answers to so many nonces, at most 1024, each in a tour over all bytes, and checks every tile after it. To be kept
   * where this process cannot read it: spend each entry once, by `challenge(nonce, { method: "book" })`, whose `freshness.response`
   * must be the answer.
   * @throws as {@link verify}, whatever the policy says of violations
   */
  async book(entries: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<readonly BookEntry[]> {
    const asked = parseBook(entries, options);
    return this.#held((life) => life.book(asked.entries, asked.signal));
  }

  /** The values of each file's tiles, by which a verifier elsewhere knows the answers to fresh challenges. @throws VramError VRAM_HANDLE_STALE */
  tileLists(): TileList[] {
    return this.#life.tileValues().map((values, index) => new TileList(values, this.parts[index]?.sizeBytes ?? 0));
  }

  /** @internal By {@link Model.spotCheck}, which has the files. */
  static async spotCheck(shard: Shard, files: readonly NativeModel[], { p, signal }: ParsedSpotCheck): Promise<Evidence> {
    return shard.#held((life) => life.spotCheck(files, p, signal));
  }

  /** Goes over all tiles in the background, again and again, in steps that take a fraction of the device's time. */
  scrub(options?: ScrubOptions): Scrub {
    return new Scrub(this.#life, parseScrubOptions(options));
  }

  /**
   * Where kernels of this process find the sealed bytes, as a CUDA device address of the primary context; undefined under Vulkan.
   * Theirs to read until disposal. @throws VramError VRAM_HANDLE_STALE after it: the address may by then mean other memory;
   *   TypeError for a split model, whose parts lie each at their own
   */
  get pointer(): bigint | undefined {
    return this.#only().pointer;
  }

  /** What was sealed. @throws TypeError for a split model, whose parts have a record each */
  get record(): SealRecord {
    return this.#only().record;
  }

  #only(): ShardPart {
    const [part, ...more] = this.parts;
    if (part !== undefined && more.length === 0) return part;
    throw new TypeError(`this model has ${this.parts.length} parts, each with its own record and address: see shard.parts[i]`);
  }

  /** Aborts with the VramError of the first broken promise that any check of this shard finds. */
  get signal(): AbortSignal {
    return this.#life.broken;
  }

  get disposed(): boolean {
    return this.#life.ended;
  }

  async #held<T>(check: (life: ShardLife) => Promise<T>): Promise<T> {
    const hold = { shard: this };
    beingChecked.add(hold);
    try {
      return await check(this.#life);
    } finally {
      beingChecked.delete(hold);
    }
  }

  /** Stops its checks, clears and frees the memory, and records that durably. A second call waits for the first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life.end("disposed");
  }

  /** The same, blocking. */
  [Symbol.dispose](): void {
    this.#life.endSync("disposed");
  }
}
