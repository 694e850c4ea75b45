/** One file of a verified model; most models have only one. */
import type { GuardName } from "./guard.ts";
import type { NativeModel, NativeVerdict } from "./native.ts";
import type { ModelReader, ReadOptions } from "./model-reader.ts";
import { proofOf } from "./proof.ts";
import type { Proof } from "./proof.ts";

/** Models that nobody holds but a reading: collecting one would end its life, and the reading with it. */
const beingRead = new Set<object>();

/** What a part has of its own. */
export interface PartContext {
  readonly verdict: NativeVerdict;
  readonly reader: ModelReader;
  /** Whether its model is held no longer. */
  readonly ended: () => boolean;
  readonly disposedError: () => Error;
}

export class ModelPart {
  /** SHA-256 of the file in lower-case hex. */
  readonly sha256: string;
  /** BLAKE3 of the file in lower-case hex; undefined for parts of a set that were not read for it. */
  readonly blake3: string | undefined;
  readonly proof: Proof;
  readonly sizeBytes: number;
  /** Why the guard is no better one. */
  readonly guardShortfall: string | undefined;
  /** The file's own digest under fs-verity, as `sha256:HEX`. */
  readonly verityDigest: string | undefined;
  readonly #owner: object;
  readonly #native: NativeModel;
  readonly #context: PartContext;
  #lastGuard: GuardName;

  /** @internal Made by the model alone, which lives as long as its parts are held. */
  constructor(owner: object, held: NativeModel, context: PartContext) {
    const { verdict } = context;
    this.#owner = owner;
    this.#native = held;
    this.#context = context;
    this.sha256 = verdict.sha256 ?? "";
    this.blake3 = verdict.blake3;
    this.proof = proofOf(verdict);
    this.sizeBytes = verdict.facts?.sizeBytes ?? 0;
    this.guardShortfall = verdict.guardShortfall;
    this.verityDigest = verdict.verityDigest;
    this.#lastGuard = held.guard();
  }

  /** What keeps this file's bytes from changing, looked at now; after disposal, as it was when last looked at. */
  get guard(): GuardName {
    if (!this.#context.ended()) this.#lastGuard = this.#native.guard();
    return this.#lastGuard;
  }

  /** The read-only descriptor. @throws Error after disposal: the number may by then mean another file. */
  get fd(): number {
    if (!this.#context.ended()) return this.#native.fd();
    throw this.#context.disposedError();
  }

  /** As {@link Model.read}, of this file. */
  async read(offset: number, length: number, options?: ReadOptions): Promise<Buffer> {
    const hold = { owner: this.#owner };
    beingRead.add(hold);
    try {
      return await this.#context.reader.read(offset, length, options);
    } finally {
      beingRead.delete(hold);
    }
  }

  /** As {@link Model.stream}, of this file. */
  stream(offset = 0, length: number = this.sizeBytes - offset, options?: ReadOptions): ReadableStream<Uint8Array> {
    return this.#context.reader.stream(offset, length, (at, take) => this.read(at, take, options));
  }
}
