/** The life of one verified model from its hand-over to its end: owns the descriptor and records the unloading once. */
import { setMaxListeners } from "node:events";
import type { AuditEventOf } from "./audit/events.ts";
import type { AuditLog } from "./audit/log.ts";
import { GuardWatch } from "./guard-watch.ts";
import type { NativeModel } from "./native.ts";

/** Why a model's life ended. */
export type EndReason = "disposed" | "loader disposed" | "garbage collected";

export interface LifeContext {
  readonly audit: AuditLog | undefined;
  /** With "continue", a failure to record the end is counted and logged by the audit log, and not thrown. */
  readonly onAuditFailure: "refuse" | "continue";
  /** The unloading's record, less its reason. */
  readonly event: Omit<AuditEventOf<"ModelUnloaded">, "details">;
  /** The record of a guard that breaks. */
  readonly guardBroken: AuditEventOf<"GuardBroken">;
  /** Called once, when the guard breaks. */
  readonly onBreak: () => void;
  /** Called once, after the descriptor is closed. */
  readonly onEnd: (life: ModelLife) => void;
}

export class ModelLife {
  readonly fd: number;
  readonly guard: GuardWatch;
  readonly #native: NativeModel;
  readonly #context: LifeContext;
  readonly #ending = new AbortController();

  constructor(held: NativeModel, context: LifeContext) {
    this.#native = held;
    this.#context = context;
    this.fd = held.fd();
    this.guard = new GuardWatch(held, () => { this.#guardBroke(); });
    // Every reading listens; there may be as many as the host likes.
    setMaxListeners(0, this.#ending.signal);
  }

  get ended(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Aborts when the life ends. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  disposedError(): Error {
    return Object.assign(new Error("this model was disposed; load it again"), { code: "MODEL_DISPOSED" });
  }

  /** Closes the descriptor and resolves when the unloading is on disk. A second call does nothing. */
  async end(reason: EndReason): Promise<void> {
    const { audit } = this.#context;
    if (!this.#close() || audit === undefined) return;
    await audit.emit(this.#unloaded(reason)).catch((failure: unknown) => { this.#failed(failure); });
  }

  /** The same, blocking. */
  endSync(reason: EndReason): void {
    const { audit } = this.#context;
    if (!this.#close() || audit === undefined) return;
    try {
      audit.emitSync(this.#unloaded(reason));
    } catch (failure) {
      this.#failed(failure);
    }
  }

  /** Whoever uses the model hears of it by the signal; the audit log counts and logs what it cannot record. */
  #guardBroke(): void {
    const { audit, guardBroken, onBreak } = this.#context;
    onBreak();
    audit?.emit(guardBroken).catch(() => undefined);
  }

  #close(): boolean {
    if (this.ended) return false;
    // A text, for an error would keep the frames that made it, with them the model, and so itself for ever.
    this.#ending.abort("disposed");
    this.guard.end();
    this.#native.close();
    this.#context.onEnd(this);
    return true;
  }

  #unloaded(reason: EndReason): AuditEventOf<"ModelUnloaded"> {
    return { ...this.#context.event, details: { reason } };
  }

  #failed(failure: unknown): void {
    if (this.#context.onAuditFailure === "refuse") throw failure;
  }
}
