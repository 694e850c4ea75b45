/** A verified model: the open descriptor of the very file that was judged, and what was found in it. */
import type { GgufView } from "./gguf-view.ts";
import type { GuardName } from "./guard.ts";
import { IMPLEMENTATIONS } from "./implementations.ts";
import type { Implementations } from "./implementations.ts";
import type { ModelLife } from "./model-life.ts";

/** What a model knows from the pass that verified it. */
export interface ModelFacts {
  readonly sha256: string;
  readonly blake3: string;
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

  /** @internal Made by the loader alone, from a verdict. */
  constructor(life: ModelLife, facts: ModelFacts) {
    this.#life = life;
    this.sha256 = facts.sha256;
    this.blake3 = facts.blake3;
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
    throw Object.assign(new Error("this model was disposed; load it again"), { code: "MODEL_DISPOSED" });
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
