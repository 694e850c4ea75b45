/** What the exported forms have in common: the plain texts of a record, and what no standard has a field for. */
import { policyOf, targetOf, textOf } from "../recorded.ts";
import type { RecordedPolicy, TrailRecord } from "../recorded.ts";

export const PRODUCT = "model-loader";

export interface Facts {
  readonly action: string;
  readonly reason: string | undefined;
  readonly actor: string | undefined;
  readonly corr: string | undefined;
  readonly trace: string | undefined;
  readonly message: string | undefined;
  readonly durationMs: number | undefined;
  /** Escaped, as recorded. */
  readonly path: string | undefined;
  /** The path's last part. */
  readonly name: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly ino: string | undefined;
  readonly sha256: string | undefined;
  readonly expectedSha256: string | undefined;
  readonly policy: Readonly<Record<keyof RecordedPolicy, string>> | undefined;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
}

export function factsOf(record: TrailRecord): Facts {
  const target = targetOf(record);
  // An empty path names no file.
  const path = textOf(target.path) || undefined;
  return {
    action: textOf(record.action) ?? "",
    reason: textOf(record.reason),
    actor: textOf(record.actor),
    corr: textOf(record.corr),
    trace: textOf(record.trace),
    message: textOf(record.details?.["message"]),
    durationMs: numberOf(record.details?.["durationMs"]),
    path,
    name: path === undefined ? undefined : path.slice(path.lastIndexOf("/") + 1) || path,
    sizeBytes: numberOf(target.sizeBytes),
    ino: textOf(target.ino),
    sha256: textOf(target.sha256),
    expectedSha256: textOf(target.expectedSha256),
    policy: policyTexts(policyOf(record)),
    timeMs: Date.parse(record.time),
  };
}

/** What was refused, or seen to be wrong: somebody should look at it. */
export function isFinding({ type, sev, outcome }: TrailRecord): boolean {
  return !type.startsWith("Audit") && (outcome === "denied" || sev !== "INFO");
}

/** The parts of a record that a standard has no field for, as they were recorded: nothing is lost by exporting. */
export function unmapped({ v, mono, boot, host, proc, target, details, detailsOmitted, given, prev }: TrailRecord): object {
  return defined({ v, mono, boot, host, proc, target, details, detailsOmitted, given, prev });
}

/** A copy without the fields that are undefined or empty objects. */
export function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined && !isEmpty(value));
  return Object.fromEntries(kept) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function policyTexts(policy: RecordedPolicy | undefined): Facts["policy"] {
  return policy && { id: textOf(policy.id) ?? "", version: textOf(policy.version) ?? "", digest: textOf(policy.digest) ?? "" };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
