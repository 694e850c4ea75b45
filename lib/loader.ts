/** The gate: a path or a buffer goes in, a verified model or a recorded refusal comes out. */
import { tmpdir } from "node:os";
import { pushBytes, sizeOf } from "./bytes.ts";
import type { BytesLike } from "./bytes.ts";
import { Call } from "./call.ts";
import { ModelLoadError, refusalCode } from "./errors.ts";
import type { ModelLoadErrorCode } from "./errors.ts";
import { GgufView } from "./gguf-view.ts";
import { guardBrokenEvent, recordAcceptance, recordFailOpen, recordReading, recordRefusal, subjectOf, unloadedEvent } from "./judgement.ts";
import { loaderMetrics, NO_METRICS } from "./metrics.ts";
import type { Action, LoaderMetrics } from "./metrics.ts";
import { Model } from "./model.ts";
import type { PartContext } from "./model-part.ts";
import { ModelLife } from "./model-life.ts";
import { ModelReader } from "./model-reader.ts";
import { native } from "./native.ts";
import type { NativeGguf, NativeModel, NativeProving, NativeRecords, NativeRefusal, NativeRoot, NativeVerdict } from "./native.ts";
import { parseCallOptions, parseLoaderOptions, pathBytes } from "./options.ts";
import type { CallOptions, LoaderOptions, ModelPath, ParsedCall, ParsedJudge, ParsedLoader } from "./options.ts";
import { settlePromise } from "./promised.ts";
import { proofOf, RecordWarnings } from "./proof.ts";
import { openRecords } from "./records.ts";
import type { BytesReport, InspectReport, ProtectReport } from "./reports.ts";
import { keyOf, SEAL_KEY } from "./secret-key.ts";
import { headerOf, wholeSealed, wholeVerdict } from "./set.ts";
import type { WholeSealed, WholeVerdict } from "./set.ts";
import { Slots } from "./slots.ts";
import { VramDesk } from "./vram/desk.ts";
import { NO_VRAM_METRICS, vramMetrics } from "./vram/metrics.ts";
import { ModelVram } from "./vram/model-vram.ts";
import type { NativePlace } from "./vram/native.ts";
import { parseSealOptions } from "./vram/options.ts";
import type { ParsedPlace, SealOptions } from "./vram/options.ts";
import type { Shard } from "./vram/shard.ts";
import { VramError } from "./vram/errors.ts";

/** A verdict that holds no refusal. */
interface Accepted extends WholeVerdict {
  readonly gguf: NativeGguf;
  readonly sha256: string;
}

export class ModelLoader implements AsyncDisposable, Disposable {
  readonly #root: NativeRoot;
  readonly #options: ParsedLoader;
  readonly #metrics: LoaderMetrics;
  readonly #slots: Slots;
  readonly #vram: VramDesk;
  readonly #proving: Omit<NativeProving, "flatAlways">;
  readonly #warnings = new RecordWarnings();
  readonly #running = new Map<Call, Promise<unknown>>();
  readonly #lives = new Set<ModelLife>();
  /** A model that is dropped without disposal still gets its descriptor closed and its end recorded. */
  readonly #dropped = new FinalizationRegistry<ModelLife>((life) => {
    // The audit log has counted and logged a failure already, and there is no caller left to tell.
    life.end("garbage collected").catch(() => undefined);
  });
  #disposed = false;

  private constructor(root: NativeRoot, options: ParsedLoader, records: NativeRecords | undefined, sealSecret: Uint8Array | undefined) {
    const { threads } = options;
    this.#proving = { ...(records === undefined ? {} : { records }), ...(threads === undefined ? {} : { threads }) };
    this.#root = root;
    this.#options = options;
    this.#slots = new Slots(options.concurrency);
    this.#metrics = options.registry === undefined ? NO_METRICS : loaderMetrics(options.registry);
    this.#vram = new VramDesk(options, options.registry === undefined ? NO_VRAM_METRICS : vramMetrics(options.registry), sealSecret);
    if (options.registry !== undefined) options.audit?.attachMetrics(options.registry);
  }

  /**
   * Opens the root folder that every path must stay beneath.
   * @throws TypeError naming a bad option
   * @throws ModelLoadError NOT_FOUND, PERMISSION_DENIED, IO or PLATFORM_UNSUPPORTED; Error RECORD_KEY or SEAL_KEY for a bad key file
   */
  static async open(options: LoaderOptions): Promise<ModelLoader> {
    const parsed = parseLoaderOptions(options);
    const records = parsed.records === undefined ? undefined : openRecords(parsed.records);
    const sealSecret = parsed.seals === undefined ? undefined : keyOf(parsed.seals, SEAL_KEY);
    const { root, refusal } = native.openRoot(parsed.root);
    if (root === undefined) throw refusalError(refusal ?? internal("the root was neither opened nor refused"));
    if (!parsed.auditChosen) warnUnaudited();
    const loader = new ModelLoader(root, parsed, records, sealSecret);
    await recordFailOpen(parsed);
    return loader;
  }

  /**
   * Reads the file once, judges digest, format and engine safety, records the decision, and hands over the model.
   * @param path relative to the root, or absolute and inside it
   * @throws ModelLoadError with a stable code; TypeError naming a bad argument
   */
  async load(path: ModelPath, options?: CallOptions): Promise<Model> {
    const bytes = pathBytes(path);
    return this.#call("load", bytes, options, async (call) => this.#handOver(call, await this.#accepted(call, () => this.#judgeFiles(call))));
  }

  /**
   * As {@link load}, and seals the very bytes that are judged in GPU memory on their way: no copy stays in host memory. The device
   * hashes all of them before and after it loses the right to write, where its driver can take it. A split model is named by its
   * first part, and sealed with all of its parts or not at all.
   * @throws ModelLoadError as {@link load}; VramError with a stable code, recorded first; TypeError naming a bad argument
   */
  async seal(path: ModelPath, options?: SealOptions): Promise<Shard> {
    const bytes = pathBytes(path);
    const { call: asked, place } = parseSealOptions(options, this.#rules("seal"));
    return this.#run("seal", bytes, asked, async (call) => {
      const device = await this.#vram.device(place);
      if (device instanceof VramError) throw await this.#withoutDevice(call, place, device);
      const spot = this.#vram.spot(device, place);
      const verdict = await this.#accepted(call, () => this.#sealFiles(call, spot));
      return this.#vram.handOver(call, place, device, verdict);
    });
  }

  /**
   * Judges a model that is in memory already, block by block, without copying it whole or blocking the event loop.
   * For a buffer that is written to meanwhile the verdict is about the bytes as they were read.
   * @throws as {@link load}
   */
  async validateBytes(bytes: BytesLike, options?: CallOptions): Promise<BytesReport> {
    const sizeBytes = sizeOf(bytes);
    return this.#call("validateBytes", undefined, options, async (call) => {
      if (typeof call.options.sha256 === "object") throw new TypeError("sha256 must be one digest for a buffer, which has no name");
      const verdict = await this.#accepted(call, () => judgeBytes(call, bytes, sizeBytes));
      return this.#reported(call, verdict, sizeBytes);
    });
  }

  /**
   * Verifies the file as {@link load} does, and has the kernel hold it to the verified bytes from then on (fs-verity): there is
   * no way back but to replace the file. Needs `sha256`, unless the call says `requireDigest: false`.
   * A later load of the file has the guard "fs-verity". An abort takes effect until the kernel has begun.
   * @throws as {@link load}; GUARD_UNAVAILABLE where kernel or file system lack fs-verity, or somebody has the file open for writing
   */
  async protect(path: ModelPath, options?: CallOptions): Promise<ProtectReport> {
    const bytes = pathBytes(path);
    return this.#call("protect", bytes, options, async (call) => {
      const verdict = await this.#accepted(call, () => this.#root.protect(call.promised.path, call.ask(this.#proving), call.control));
      const { protection, verityDigest = "", facts } = verdict;
      return {
        ...(await this.#reported(call, verdict, facts?.sizeBytes ?? 0)),
        verityDigest,
        alreadyProtected: protection?.already === true,
        digestCompared: protection?.compared === true,
        proof: proofOf(verdict),
      };
    });
  }

  /**
   * Reads the header only: milliseconds, whatever the model's size. The report is unverified and says so.
   * It shows also what would be unsafe for an engine, unless the call says `engineSafety: true`: nothing is handed over.
   * Refusals are recorded like those of {@link load}.
   */
  async inspect(path: ModelPath, options?: CallOptions): Promise<InspectReport> {
    const bytes = pathBytes(path);
    return this.#call("inspect", bytes, options, async (call) => {
      const verdict = await this.#accepted(call, () => this.#root.inspect(call.promised.path, call.ask({}), call.control));
      return { verified: false, sizeBytes: verdict.facts?.sizeBytes ?? 0, gguf: new GgufView(verdict.gguf) };
    });
  }

  /** Stops what is running, closes this loader's models and flushes the audit log. A second call does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#beginDisposal()) return;
    await Promise.allSettled(this.#running.values());
    const ends = await Promise.allSettled([...this.#lives].map((life) => life.end("loader disposed")));
    ends.push(...await this.#vram.end("loader disposed"));
    const flush = await Promise.allSettled([this.#options.audit?.flush()]);
    this.#root.close();
    throwAll([...ends, ...flush].flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : [])));
  }

  /** The same, blocking; running calls are told to stop and end on their own. */
  [Symbol.dispose](): void {
    if (!this.#beginDisposal()) return;
    const steps = [...this.#lives].map((life) => () => { life.endSync("loader disposed"); });
    const failures = [...steps, ...this.#vram.endSync("loader disposed"), () => this.#options.audit?.flushSync()].flatMap(failureOf);
    this.#root.close();
    throwAll(failures);
  }

  #beginDisposal(): boolean {
    if (this.#disposed) return false;
    this.#disposed = true;
    for (const call of this.#running.keys()) call.stop(new Error("the loader was disposed"));
    return true;
  }

  /** Runs one call from its options to its outcome and counts it last. */
  async #call<T>(action: Action, path: Uint8Array | undefined, options: CallOptions | undefined, run: (call: Call) => Promise<T>): Promise<T> {
    return this.#run(action, path, parseCallOptions(options, this.#rules(action)), run);
  }

  async #run<T>(action: Action, path: Uint8Array | undefined, options: ParsedCall, run: (call: Call) => Promise<T>): Promise<T> {
    if (this.#disposed) throw Object.assign(new Error("this loader was disposed"), { code: "LOADER_DISPOSED" });
    const call = new Call(action, path, options);
    const outcome = run(call);
    this.#running.set(call, outcome);
    this.#metrics.started();
    const code = await outcome.then(() => "OK" as const, codeOf);
    this.#running.delete(call);
    call.release();
    this.#metrics.ended();
    if (code !== undefined) this.#metrics.decided(action, code, call.seconds, action === "inspect" ? 0 : call.control.bytesDone());
    return outcome;
  }

  /** What each action asks for unless the call says otherwise. */
  #rules(action: Action): ParsedJudge {
    const { judge } = this.#options;
    // A look hands nothing to an engine, so what an engine would die of may be looked at.
    if (action === "inspect") return { ...judge, policy: { ...judge.policy, engineSafety: false } };
    // What is protected stays so: it should be what somebody named.
    return action === "protect" ? { ...judge, requireDigest: true } : judge;
  }

  /** The verdict of an accepted model; a refusal is recorded, then thrown. */
  async #accepted(call: Call, judge: () => Promise<WholeVerdict>): Promise<Accepted> {
    const verdict = await this.#verdict(call, judge).catch((bug: unknown): WholeVerdict => ({ refusal: internal(bug) }));
    this.#tellRecords(verdict);
    if (verdict.refusal === undefined) return verdict as Accepted;
    const error = refusalError(verdict.refusal, call.signal.reason);
    await recordRefusal(this.#options, call, error, verdict);
    throw error;
  }

  /** That there is no device hides nothing: what the path is worth is judged and recorded first, as {@link load} does. */
  async #withoutDevice(call: Call, place: ParsedPlace, error: VramError): Promise<VramError> {
    await this.#accepted(call, () => this.#root.find(call.promised.path, call.promised.isSet));
    return this.#vram.refused(call, place, error);
  }

  #tellRecords(verdict: WholeVerdict): void {
    for (const { proof, records } of verdict.parts ?? [verdict]) {
      this.#warnings.tell(records);
      this.#metrics.proven(proof?.by, records);
    }
  }

  async #verdict(call: Call, judge: () => Promise<WholeVerdict>): Promise<WholeVerdict> {
    const refusal = await this.#settle(call);
    if (refusal !== undefined) return { refusal };
    if (!(await this.#slots.take(call.signal))) return { refusal: ABORTED };
    try {
      return await call.watched(judge);
    } finally {
      this.#slots.give();
    }
  }

  /** The record and the report of what is handed over to nobody. */
  async #reported(call: Call, verdict: Accepted, sizeBytes: number): Promise<BytesReport> {
    const { sha256, blake3 = "" } = verdict;
    const gguf = new GgufView(verdict.gguf);
    const auditError = await recordAcceptance(this.#options, call, verdict, gguf);
    if (auditError !== undefined) this.#metrics.unrecorded();
    return { sha256, blake3, sizeBytes, digestExpected: call.promised.sha256 !== undefined, gguf, auditError };
  }

  /** Settles what the model must be, or says why the call ends here. */
  async #settle(call: Call): Promise<NativeRefusal | undefined> {
    if (call.path === undefined) return call.options.judge.requireDigest && call.promised.sha256 === undefined ? digestRequired(call.action) : undefined;
    const settled = await settlePromise(this.#root, call.path, call.options, call.action === "load" || call.action === "seal");
    if ("code" in settled) return settled;
    call.promised = settled;
    return undefined;
  }

  /** One file, or all parts of the set that the path names the first part of. */
  async #judgeFiles(call: Call): Promise<WholeVerdict> {
    const { path, parts, isSet } = call.promised;
    const ask = call.ask(this.#proving);
    if (!isSet) return this.#root.load(path, ask, call.control);
    return wholeVerdict(await this.#root.loadSet(path, ask, parts, Buffer.from(tmpdir()), call.control));
  }

  /** The same, on their way to a device. */
  async #sealFiles(call: Call, spot: NativePlace): Promise<WholeSealed> {
    const { path, parts, isSet } = call.promised;
    const ask = call.ask(this.#proving);
    if (!isSet) return native.vramSeal(this.#root, path, ask, spot, call.control);
    return wholeSealed(await native.vramSealSet(this.#root, path, ask, parts, spot, call.control));
  }

  async #handOver(call: Call, verdict: Accepted): Promise<Model> {
    const held = verdict.model as NativeModel;
    const gguf = headerOf(verdict.gguf, verdict);
    const auditError = await recordAcceptance(this.#options, call, verdict, gguf).catch((failure: unknown) => {
      held.close();
      throw failure;
    });
    if (auditError !== undefined) this.#metrics.unrecorded();
    const life = this.#life(call, verdict, held);
    const parts = verdict.parts ?? [verdict];
    const vram = new ModelVram(this.#vram, parts.map((part) => part.model as NativeModel), gguf, subjectOf(call, verdict));
    const model = new Model(life, vram, {
      sha256: verdict.sha256,
      blake3: verdict.blake3,
      proof: proofOf(verdict),
      sizeBytes: verdict.facts?.sizeBytes ?? 0,
      promised: call.promised,
      gguf,
      auditError,
      guardShortfall: verdict.guardShortfall,
      verityDigest: verdict.verityDigest,
      parts: parts.map((part, index) => this.#part(call, life, part, verdict.parts === undefined ? undefined : index + 1)),
      linkPath: verdict.links?.path().toString(),
    });
    this.#dropped.register(model, life);
    return model;
  }

  #part(call: Call, life: ModelLife, verdict: NativeVerdict, number: number | undefined): [NativeModel, PartContext] {
    const held = verdict.model as NativeModel;
    const reader = new ModelReader(held, life, {
      sizeBytes: verdict.facts?.sizeBytes ?? 0,
      record: (error) => recordReading(this.#options, call, error, verdict, number),
      count: (code, bytes) => { this.#metrics.read(code, bytes); },
    });
    return [held, { verdict, reader, ended: () => life.ended, disposedError: () => life.disposedError() }];
  }

  #life(call: Call, verdict: Accepted, held: NativeModel): ModelLife {
    const { audit, onAuditFailure } = this.#options;
    const life = new ModelLife(held, {
      audit,
      onAuditFailure,
      event: unloadedEvent(call, verdict),
      guardBroken: guardBrokenEvent(call, verdict),
      onBreak: () => { this.#metrics.guardBroke(); },
      onEnd: (ended) => {
        this.#lives.delete(ended);
        this.#metrics.modelClosed();
      },
    });
    this.#lives.add(life);
    this.#metrics.modelOpened();
    return life;
  }
}

const ABORTED: NativeRefusal = { code: "ABORTED", message: "the call was aborted before it began", retriable: true };

function digestRequired(action: Action): NativeRefusal {
  const message = action === "protect"
    ? "a file is protected for good, so somebody should have named its digest: pass sha256, or say requireDigest: false (--no-require-digest)"
    : "this loader accepts no model without an expected digest; pass { sha256 }";
  return { code: "DIGEST_REQUIRED", message, retriable: false };
}

async function judgeBytes(call: Call, bytes: BytesLike, sizeBytes: number): Promise<NativeVerdict> {
  const { judge } = call.options;
  const { sha256 } = call.promised;
  if (judge.maxBytes !== undefined && sizeBytes > judge.maxBytes) return { refusal: tooLarge(sizeBytes, judge.maxBytes) };
  const pass = native.startBytes(sizeBytes, sha256, judge.policy, call.control);
  await pushBytes(pass, bytes, sizeBytes);
  return pass.finish();
}

function tooLarge(sizeBytes: number, maxBytes: number): NativeRefusal {
  const message = `the buffer has ${sizeBytes} bytes and maxBytes allows ${maxBytes}`;
  return { code: "TOO_LARGE", message, retriable: false, expected: String(maxBytes), actual: String(sizeBytes) };
}

function refusalError(refusal: NativeRefusal, abortReason?: unknown): ModelLoadError {
  const code = refusalCode(refusal.code);
  return new ModelLoadError(code, code === "ABORTED" ? { ...refusal, cause: abortReason } : refusal);
}

/** A bug of ours becomes a refusal: nothing that failed in an unknown way may pass. */
function internal(bug: unknown): NativeRefusal {
  const message = bug instanceof Error ? bug.message : String(bug);
  return { code: "INTERNAL", message: `model-loader failed inside: ${message}`, retriable: false };
}

/** What a call ended with; nothing where no model was judged, but a device refused. */
function codeOf(failure: unknown): ModelLoadErrorCode | undefined {
  if (failure instanceof VramError) return undefined;
  return failure instanceof ModelLoadError ? failure.code : "INTERNAL";
}

function failureOf(step: () => void): unknown[] {
  try {
    step();
    return [];
  } catch (failure) {
    return [failure];
  }
}

/** The first failure is thrown, the later ones go with it. */
function throwAll(failures: readonly unknown[]): void {
  if (failures.length === 0) return;
  if (failures.length === 1) throw failures[0];
  throw new AggregateError(failures, failures[0] instanceof Error ? failures[0].message : "disposal failed", { cause: failures[0] });
}

function warnUnaudited(): void {
  process.emitWarning('no audit log: decisions are not recorded. Pass { audit: await AuditLog.open(folder) }, or audit: "disabled" to say so.', {
    code: "MODEL_LOADER_UNAUDITED",
  });
}
