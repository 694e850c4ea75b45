/** Who hears of a record that is not durable: counters first, then the operator's logger, then standard error. */
import type { Emergency } from "./emergency.ts";
import { emitReason, messageOf } from "./errors.ts";
import type { AuditWriteError } from "./errors.ts";
import { escapeText } from "./escape.ts";
import { SEVERITIES } from "./events.ts";
import type { Severity } from "./events.ts";
import type { AuditMetrics } from "./metrics.ts";
import type { AuditLogger } from "./options.ts";
import type { Pending } from "./pending.ts";
import type { Draft } from "./record.ts";
import { witnessReason } from "./witness-reason.ts";

export class Alarm {
  readonly #dir: string;
  readonly #metrics: AuditMetrics;
  readonly #logger: AuditLogger | undefined;
  readonly #emergency: Emergency;

  constructor(dir: string, metrics: AuditMetrics, logger: AuditLogger | undefined, emergency: Emergency) {
    this.#dir = dir;
    this.#metrics = metrics;
    this.#logger = logger;
    this.#emergency = emergency;
  }

  /** The record did not get to disk, and its caller is told so. */
  lost(draft: Draft, failure: AuditWriteError): void {
    const { severity, count } = draft.covers ?? { severity: draft.severity, count: 1 };
    this.#metrics.failed(severity, emitReason(failure), count);
    this.#log("error", failure, draft, "an audit record is not durable");
    const why = JSON.stringify(escapeText(failure.message));
    this.#emergency(`{"emergency":"audit record not durable","dir":${JSON.stringify(escapeText(this.#dir))},` +
      `"reason":"${failure.reason}","message":${why},"event":${draft.event()}}`);
  }

  /** The event could not be read; a record with an outline of it is written in its place. */
  unreadable(severity: Severity, failure: unknown): void {
    this.#metrics.failed(severity, "serialize");
    this.warn(failure, "an audit event could not be read and was recorded in outline");
  }

  syncFailed(failure: AuditWriteError, waiting: readonly Pending[]): void {
    this.#metrics.flushFailed(gravest(waiting), emitReason(failure));
    this.#log("error", failure, undefined, "the audit trail could not be synced; it goes on in a new segment");
  }

  /** The records themselves are safe; what is missing is the proof for outsiders. */
  checkpointFailed(failure: unknown): void {
    this.#metrics.checkpointFailed();
    this.#log("error", failure, undefined, "no checkpoint of the audit trail could be signed; it is tried again");
  }

  witnessFailed(failure: unknown): void {
    const reason = witnessReason(failure);
    this.#metrics.witnessFailed(reason);
    this.#log(reason === "inconsistent" ? "error" : "warn", failure, undefined, "a witness did not cosign the audit trail's checkpoint; it is asked again");
  }

  warn(failure: unknown, message: string): void {
    this.#log("warn", failure, undefined, message);
  }

  /** Nobody is left to throw at; what was lost has been said before. */
  notClosed(failure: unknown): void {
    this.#say("the audit trail could not be closed", failure);
  }

  #say(what: string, failure: unknown): void {
    this.#emergency(JSON.stringify({ emergency: what, dir: escapeText(this.#dir), message: escapeText(messageOf(failure)) }));
  }

  /** A logger that throws must not take the record's caller with it. */
  #log(level: keyof AuditLogger, failure: unknown, draft: Draft | undefined, message: string): void {
    try {
      const details = { err: failure, auditDir: this.#dir, type: draft?.type, severity: draft?.severity };
      this.#logger?.[level](details, message);
    } catch (broken) {
      this.#say("the audit trail's logger failed", broken);
    }
  }
}

function gravest(waiting: readonly Pending[]): Severity {
  return SEVERITIES.find((severity) => waiting.some(({ draft }) => draft.severity === severity)) ?? "INFO";
}
