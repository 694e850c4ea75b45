/** A loader's dealings with GPU memory: seals models, keeps what it sealed, and ends it with the loader. */
import type { Call } from "../call.ts";
import { acceptanceEvent, subjectOf } from "../judgement.ts";
import type { Judge } from "../judgement.ts";
import { ModelLoadError } from "../errors.ts";
import type { NativeGguf } from "../native.ts";
import { headerOf } from "../set.ts";
import type { WholeSealed } from "../set.ts";
import { deviceFor } from "./device.ts";
import type { VramDevice } from "./device.ts";
import { internalVramError, VramError, vramError } from "./errors.ts";
import { evidenceOf } from "./evidence.ts";
import { foreignCheck } from "./foreign.ts";
import type { ForeignAsk, ForeignReport } from "./foreign.ts";
import type { VramMetrics } from "./metrics.ts";
import type { NativePlace, NativeSealed, NativeSealRecord, NativeShard } from "./native.ts";
import type { ParsedPlace } from "./options.ts";
import type { OffloadReport } from "./offload.ts";
import { vramPolicyOf } from "./policy.ts";
import { sealRecordOf } from "./seal-record.ts";
import { Shard } from "./shard.ts";
import { ShardLife } from "./shard-life.ts";
import type { ShardEnd } from "./shard-life.ts";
import { failureEvent, offloadEvent, record, recordError, sealedEvents } from "./trail.ts";
import type { Recorder, Subject } from "./trail.ts";

/** A seal that was made. */
interface Made extends WholeSealed {
  readonly shard: NativeShard;
  readonly gguf: NativeGguf;
  readonly sha256: string;
  readonly evidence: NonNullable<NativeSealed["evidence"]>;
  /** One a file, at least one. */
  readonly seals: readonly [NativeSealRecord, ...NativeSealRecord[]];
}

export class VramDesk {
  readonly #judge: Judge & Recorder;
  readonly #metrics: VramMetrics;
  readonly #secret: Uint8Array | undefined;
  readonly #lives = new Set<ShardLife>();
  /** A shard that is dropped without disposal still gets its memory cleared and its end recorded. */
  readonly #dropped = new FinalizationRegistry<ShardLife>((life) => {
    // The audit log has counted and logged a failure already, and there is no caller left to tell.
    life.end("garbage collected").catch(() => undefined);
  });

  /** @param secret what keys of seals are derived from; undefined for the process's own key */
  constructor(judge: Judge & Recorder, metrics: VramMetrics, secret: Uint8Array | undefined) {
    this.#judge = judge;
    this.#metrics = metrics;
    this.#secret = secret;
  }

  /** Where a model goes, under which rules, and whose seal it bears. */
  spot({ backend, uuid: deviceUuid }: VramDevice, { policy }: ParsedPlace): NativePlace {
    return { backend, deviceUuid, policy: policy.native, ...(this.#secret === undefined ? {} : { secret: this.#secret }) };
  }

  /** The device for a call, or why there is none: not recorded yet, for what the path is worth comes first. */
  async device(place: ParsedPlace): Promise<VramDevice | VramError> {
    try {
      return await deviceFor(place);
    } catch (failure) {
      return internalVramError(failure);
    }
  }

  /** Records that the model could not be sealed, and gives the error back. */
  async refused(call: Call, place: ParsedPlace, error: VramError, sealed?: WholeSealed): Promise<VramError> {
    const subject = sealSubject(call, place, sealed);
    const names = { digest: sealed?.blake3 ?? "unknown", bytes: sealed?.facts?.sizeBytes ?? 0 };
    this.#metrics.failed(error);
    this.#metrics.sealed(error.code, 0);
    return recordError(this.#judge, error, [failureEvent(subject, "vram.seal", error, names)]);
  }

  /** The shard of a file that was judged, or why it was not sealed. @throws VramError or ModelLoadError, recorded */
  async handOver(call: Call, place: ParsedPlace, device: VramDevice, sealed: WholeSealed): Promise<Shard> {
    if (!isMade(sealed)) throw await this.refused(call, place, failureOf(sealed, call), sealed);
    const auditError = await this.#record(call, place, device, sealed).catch(async (failure: unknown) => {
      // What is not recorded must not exist; that the memory is cleared comes before why.
      await sealed.shard.free();
      throw failure;
    });
    this.#metrics.sealed("OK", sealed.seconds ?? 0);
    return this.#shard(call, place, device, sealed, auditError);
  }

  /** Weights that another library loaded, held against the verified model. */
  async verifyRanges(asked: Pick<ForeignAsk, "models" | "gguf" | "ranges" | "place" | "signal"> & { readonly subject: Omit<Subject, "policy"> }): Promise<ForeignReport> {
    const subject = { ...asked.subject, policy: vramPolicyOf(asked.place.policy) };
    return foreignCheck({ ...asked, subject, recorder: this.#judge, metrics: this.#metrics });
  }

  /** Records what an accounting check came to. Its caller has an engine in hand: what cannot be recorded is counted and told by the log. */
  async recordOffload(subject: Omit<Subject, "policy">, report: OffloadReport): Promise<void> {
    if (report.verdict === "short" || report.verdict === "spilled") this.#metrics.violated("ResidencyLost");
    await record(this.#judge, [offloadEvent(subject, report)]).catch(() => undefined);
  }

  /** Frees all that is sealed. */
  async end(reason: ShardEnd): Promise<PromiseSettledResult<void>[]> {
    return Promise.allSettled([...this.#lives].map((life) => life.end(reason)));
  }

  /** The same, blocking: each as a step that may fail. */
  endSync(reason: ShardEnd): (() => void)[] {
    return [...this.#lives].map((life) => () => { life.endSync(reason); });
  }

  async #record(call: Call, place: ParsedPlace, device: VramDevice, sealed: Made): Promise<Error | undefined> {
    const bytes = sealed.facts?.sizeBytes ?? 0;
    const events = sealedEvents(sealSubject(call, place, sealed), {
      shardId: sealed.seals[0].shardId, deviceUuid: device.uuid, bytes,
      availableBytes: device.freeBytes ?? device.totalBytes, digest: digestOf(sealed),
    });
    try {
      await record(this.#judge, [acceptanceEvent(this.#judge, call, sealed, headerOf(sealed.gguf, sealed)), ...events]);
      return undefined;
    } catch (failure) {
      if (this.#judge.onAuditFailure === "continue") return failure as Error;
      const message = "the model was sealed, but that could not be recorded, and an unrecorded seal must not be: its memory was cleared; mend the audit folder";
      const error = new ModelLoadError("AUDIT_UNAVAILABLE", { message, cause: failure });
      error.auditError = failure as Error;
      throw error;
    }
  }

  #shard(call: Call, place: ParsedPlace, device: VramDevice, sealed: Made, auditError: Error | undefined): Shard {
    const { seals, sha256, parts } = sealed;
    const evidence = evidenceOf(sealed.evidence);
    const sizeBytes = sealed.facts?.sizeBytes ?? 0;
    const life = new ShardLife(sealed.shard, {
      recorder: this.#judge,
      subject: sealSubject(call, place, sealed),
      sealed: { shardId: seals[0].shardId, deviceUuid: device.uuid, root: digestOf(sealed), sizeBytes, eccUncorrected: evidence.accounting.eccUncorrected },
      onViolation: place.policy.onViolation,
      metrics: this.#metrics,
      onEnd: (ended) => { this.#lives.delete(ended); },
    });
    this.#lives.add(life);
    this.#metrics.seen(device.uuid, evidence.accounting.freeBytes);
    const shard = new Shard(life, {
      device, evidence, sizeBytes, auditError, sha256,
      seals: seals.map((seal, index) => ({ record: sealRecordOf(seal), sizeBytes: (parts?.[index] ?? sealed).facts?.sizeBytes ?? 0 })),
      digestExpected: call.promised.sha256 !== undefined,
      gguf: headerOf(sealed.gguf, sealed), seconds: sealed.seconds ?? 0,
    });
    this.#dropped.register(shard, life);
    return shard;
  }
}

function sealSubject(call: Call, place: ParsedPlace, sealed: WholeSealed | undefined): Subject {
  return { ...subjectOf(call, sealed ?? {}), policy: vramPolicyOf(place.policy) };
}

function isMade(sealed: WholeSealed): sealed is Made {
  const { shard, evidence, seals = [], gguf, sha256 } = sealed;
  return shard !== undefined && evidence !== undefined && seals.length > 0 && gguf !== undefined && sha256 !== undefined;
}

/** What the trail calls the sealed bytes by: BLAKE3 of a file, the set's own digest of a split model, which has no BLAKE3. */
function digestOf({ seals, sha256 }: Made): string {
  return seals.length === 1 ? seals[0].root : sha256;
}

function failureOf({ failure }: WholeSealed, call: Call): VramError {
  if (failure === undefined) return new VramError("VRAM_INTERNAL", { message: "a seal was neither made nor refused" });
  return vramError(failure, call.signal.reason);
}
