/** The library behind the command line: one loader for each root, one trail for all. */
import type { AuditLog } from "../audit/log.ts";
import { ModelLoadError, REFUSAL_CODES } from "../errors.ts";
import { ModelLoader } from "../loader.ts";
import type { Model } from "../model.ts";
import type { CallOptions } from "../options.ts";
import type { RecordsOptions } from "../records.ts";
import type { ProtectReport } from "../reports.ts";
import { toBytes, toText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import type { Job } from "./jobs.ts";
import type { Ask } from "./verify-ask.ts";

/** How one file was judged. A verdict holds no descriptor. */
export type Verdict = Accepted | Protected | Refused;

interface Judged {
  readonly job: Job;
  /** What the trail misses of it. */
  readonly auditError?: Error | undefined;
}

export interface Accepted extends Judged {
  readonly ok: true;
  readonly model: Model;
}

export interface Protected extends Judged {
  readonly ok: true;
  readonly protection: ProtectReport;
}

export interface Refused extends Judged {
  readonly ok: false;
  readonly error: ModelLoadError;
}

export interface GateOptions {
  readonly action: Ask["action"];
  readonly judge: Ask["judge"];
  readonly call: Ask["call"];
  readonly audit: AuditLog | undefined;
  readonly records: RecordsOptions | undefined;
  readonly concurrency: number;
}

export class Gate implements AsyncDisposable {
  readonly #options: GateOptions;
  readonly #loaders = new Map<BytePath, Promise<ModelLoader>>();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Never rejects for what is wrong with the file: that is a verdict. */
  async judge(job: Job, call: Pick<CallOptions, "signal" | "onProgress">): Promise<Verdict> {
    const loader = await this.#loaderFor(job);
    if (loader instanceof ModelLoadError) return refused(job, loader);
    try {
      return await this.#asked(loader, job, { ...this.#options.call, ...call });
    } catch (failure) {
      return refused(job, asRefusal(failure));
    }
  }

  async #asked(loader: ModelLoader, job: Job, call: CallOptions): Promise<Accepted | Protected> {
    const path = toBytes(job.path);
    if (this.#options.action === "protect") {
      // Said again: what a loader does not require, a protection does.
      const { requireDigest } = this.#options.judge;
      const protection = await loader.protect(path, { ...call, requireDigest });
      return { ok: true, job, protection, auditError: protection.auditError };
    }
    const model = await loader.load(path, call);
    return { ok: true, job, model, auditError: await closed(model) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await Promise.allSettled(this.#loaders.values());
    for (const end of opened) if (end.status === "fulfilled") await end.value[Symbol.asyncDispose]();
  }

  /** The loader for a job's root, or why there is nothing to ask it. */
  async #loaderFor(job: Job): Promise<ModelLoader | ModelLoadError> {
    try {
      if (job.failure !== undefined) throw new ModelLoadError(job.failure.code, job.failure);
      return await this.#opened(job.root);
    } catch (failure) {
      return this.#recorded(job, asRefusal(failure));
    }
  }

  #opened(root: BytePath): Promise<ModelLoader> {
    const known = this.#loaders.get(root);
    if (known !== undefined) return known;
    const { judge, audit = "disabled", records, concurrency } = this.#options;
    const loader = ModelLoader.open({ root: toText(root), audit, records, concurrency, ...judge });
    this.#loaders.set(root, loader);
    return loader;
  }

  /** What fails before the loader can judge it was asked for all the same, and belongs in the trail. */
  async #recorded(job: Job, error: ModelLoadError): Promise<ModelLoadError> {
    const { event: type, severity } = REFUSAL_CODES[error.code];
    const { sha256, ...who } = this.#options.call;
    const target = { path: toBytes(job.path), ...(sha256 === undefined ? {} : { expectedSha256: sha256 }) };
    const details = { message: error.message };
    try {
      await this.#options.audit?.emit({ type, severity, outcome: "failed", action: `model.${this.#options.action}`, reason: error.code, target, details, ...given(who) });
    } catch (failure) {
      error.auditError = failure as Error;
    }
    return error;
  }
}

function refused(job: Job, error: ModelLoadError): Refused {
  return { ok: false, job, error, auditError: error.auditError };
}

function given(who: Omit<Ask["call"], "sha256">): { actor?: string; correlationId?: string } {
  const { actor, correlationId } = who;
  return { ...(actor === undefined ? {} : { actor }), ...(correlationId === undefined ? {} : { correlationId }) };
}

/** Closes the model; what the trail missed of that is part of the verdict. */
async function closed(model: Model): Promise<Error | undefined> {
  try {
    await model[Symbol.asyncDispose]();
    return model.auditError;
  } catch (failure) {
    return failure as Error;
  }
}

/** Anything but a refusal is a bug of ours, and is still an answer. */
export function asRefusal(failure: unknown): ModelLoadError {
  if (failure instanceof ModelLoadError) return failure;
  const message = failure instanceof Error ? failure.message : String(failure);
  return new ModelLoadError("INTERNAL", { message, cause: failure });
}
