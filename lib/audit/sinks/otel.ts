/**
 * A mirror of the trail in OpenTelemetry's logs, for those who look at everything else there. It proves nothing and keeps nothing: a
 * batch processor drops what does not fit its queue, as its specification says, and nobody acknowledges a record. There is no
 * cursor and no catching up. The whole line goes along as `log.record.original`.
 */
import type { HrTime } from "@opentelemetry/api";
import type { Logger, LoggerProvider, LogRecord } from "@opentelemetry/api-logs";
import { VERSION } from "../../native.ts";
import { bagOf, namesOf } from "../../option-bag.ts";
import { parseRecord } from "../envelope.ts";
import type { Severity } from "../events.ts";
import { factsOf } from "../export/common.ts";
import type { DurableRecord } from "../follower.ts";
import type { TrailRecord } from "../recorded.ts";
import { optionalPackage, sinkName, wholeOption } from "./sink.ts";
import type { AuditSink, SinkFollower, SinkTrail } from "./sink.ts";

export interface OtelSinkOptions {
  /** Default `otel`. */
  readonly name?: string;
  /** Default: the one that the host registered globally. */
  readonly loggerProvider?: LoggerProvider;
  /** How long closing the trail waits for the provider's `forceFlush`. Default 2,000 ms. */
  readonly closeMs?: number;
}

/** Records that wait for their turn; more than this is dropped, and counted as failures. */
const WAITING_MAX = 10_000;
/** Made and handed over at once: about a millisecond. */
const BATCH = 64;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

type Api = Pick<typeof import("@opentelemetry/api"), "ROOT_CONTEXT" | "trace"> & Pick<typeof import("@opentelemetry/api-logs"), "SeverityNumber">;

/** Which of OpenTelemetry's severities ours are. */
const SEVERITIES = { INFO: "INFO", HIGH: "ERROR", CRITICAL: "FATAL" } as const satisfies Readonly<Record<Severity, string>>;

interface Flushing {
  forceFlush?(): Promise<void>;
}

const NAMES = namesOf<OtelSinkOptions>({ name: true, loggerProvider: true, closeMs: true });

/** @throws TypeError where an option is wrong */
export function otelSink(options: OtelSinkOptions = {}): AuditSink {
  bagOf(options, "options", NAMES);
  const name = sinkName(options.name ?? "otel");
  const closeMs = wholeOption(options.closeMs ?? 2_000, "closeMs", 0, 60_000);
  return {
    name,
    async prepare() {
      const { logs, SeverityNumber } = await optionalPackage(() => import("@opentelemetry/api-logs"), "@opentelemetry/api-logs", name);
      const { ROOT_CONTEXT, trace } = await optionalPackage(() => import("@opentelemetry/api"), "@opentelemetry/api", name);
      const provider = options.loggerProvider ?? logs.getLoggerProvider();
      return (trail) => new Mirror(provider, { ROOT_CONTEXT, trace, SeverityNumber }, trail, closeMs);
    },
  };
}

class Mirror implements SinkFollower {
  readonly sound = true;
  readonly #provider: LoggerProvider & Flushing;
  readonly #logger: Logger;
  readonly #api: Api;
  readonly #trail: SinkTrail;
  readonly #closeMs: number;
  #waiting: string[] = [];
  #scheduled = false;

  constructor(provider: LoggerProvider, api: Api, trail: SinkTrail, closeMs: number) {
    this.#provider = provider;
    this.#logger = provider.getLogger("model-loader.audit", VERSION);
    this.#api = api;
    this.#trail = trail;
    this.#closeMs = closeMs;
  }

  durable(records: readonly DurableRecord[]): void {
    for (const { text } of records) {
      if (this.#waiting.length < WAITING_MAX) this.#waiting.push(text.trimEnd());
      else this.#trail.meter.failed();
    }
    this.#trail.meter.behind(this.#waiting.length);
    this.#schedule();
  }

  async close(): Promise<void> {
    this.closeSync();
    const flushed = Promise.resolve(this.#provider.forceFlush?.()).catch((failure: unknown) => { this.#failed(failure); });
    await Promise.race([flushed, new Promise((late) => setTimeout(late, this.#closeMs).unref())]);
  }

  closeSync(): void {
    while (this.#waiting.length > 0) this.#emitSome();
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#emitSome();
      this.#schedule();
    }).unref();
  }

  #emitSome(): void {
    for (const line of this.#waiting.splice(0, BATCH)) this.#emit(line);
    this.#trail.meter.behind(this.#waiting.length);
  }

  /** A provider that throws must not reach the trail. */
  #emit(line: string): void {
    try {
      this.#logger.emit(logRecord(line, this.#api));
      this.#trail.meter.acknowledged();
    } catch (failure) {
      this.#failed(failure);
    }
  }

  #failed(failure: unknown): void {
    this.#trail.meter.failed();
    this.#trail.warn(failure, "an audit record could not be mirrored to OpenTelemetry");
  }
}

function logRecord(line: string, api: Api): LogRecord {
  const record = parseRecord(line) as unknown as TrailRecord;
  const facts = factsOf(record);
  return {
    eventName: `model_loader.audit.${record.type}`,
    timestamp: hrTime(record.time),
    severityNumber: api.SeverityNumber[SEVERITIES[record.sev]],
    severityText: record.sev,
    body: facts.message ?? `${record.type}: ${record.outcome}`,
    context: contextOf(facts.trace, api),
    attributes: {
      "log.record.uid": record.id,
      "log.record.original": line,
      "model_loader.audit.origin": record.origin,
      "model_loader.audit.seq": record.seq,
      "model_loader.audit.outcome": record.outcome,
      "model_loader.audit.action": facts.action,
      "model_loader.audit.reason": facts.reason,
      "model_loader.audit.correlation_id": facts.corr,
      "model_loader.audit.trace": facts.trace,
      "user.id": facts.actor,
      "file.path": facts.path,
      "file.size": facts.sizeBytes,
      "file.inode": facts.ino,
    },
  };
}

/** The record's nanoseconds, which a Date would lose. */
function hrTime(time: string): HrTime {
  const seconds = Math.floor(Date.parse(time) / 1000);
  const nanos = Number(time.slice(time.indexOf(".") + 1, -1));
  return [seconds, nanos];
}

/** A W3C traceparent as the request's own; other trace ids stay an attribute. */
function contextOf(trace: string | undefined, { ROOT_CONTEXT, trace: traces }: Api): typeof ROOT_CONTEXT {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(trace ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  return traces.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: parseInt(flags, 16), isRemote: true });
}
