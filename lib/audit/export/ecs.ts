/** Elastic Common Schema: one document an event. */
import type { AuditOutcome, Severity } from "../events.ts";
import { isFinding, defined, factsOf, PRODUCT, unmapped } from "./common.ts";
import type { Facts } from "./common.ts";
import type { TrailRecord } from "../recorded.ts";
import { titleOf } from "./titles.ts";

const ECS_VERSION = "8.17.0";
const SEVERITIES: Readonly<Record<Severity, number>> = { CRITICAL: 5, HIGH: 4, INFO: 1 };
const OUTCOMES: Readonly<Record<AuditOutcome, string>> = { allowed: "success", denied: "failure", failed: "failure", info: "unknown" };

export function toEcs(record: TrailRecord): object {
  const facts = factsOf(record);
  return defined({
    "@timestamp": record.time,
    ecs: { version: ECS_VERSION },
    message: facts.message ?? titleOf(record.type),
    event: eventOf(record, facts),
    file: fileOf(facts),
    user: defined({ name: facts.actor }),
    process: processOf(record),
    host: defined({ name: record.host?.name, id: record.host?.id, boot: defined({ id: record.boot }) }),
    container: defined({ id: record.host?.container }),
    service: { name: PRODUCT, version: record.proc.version },
    rule: defined({ name: facts.policy?.id, version: facts.policy?.version, id: facts.policy?.digest }),
    trace: defined({ id: facts.trace }),
    labels: defined({ correlation_id: facts.corr }),
    related: relatedTo(record, facts),
    model_loader: { origin: record.origin, ...unmapped(record) },
  });
}

function eventOf(record: TrailRecord, facts: Facts): object {
  return defined({
    kind: isFinding(record) ? "alert" : "event",
    ...categoryOf(record, facts),
    outcome: OUTCOMES[record.outcome],
    action: facts.action,
    code: record.type,
    reason: facts.reason,
    id: record.id,
    sequence: record.seq,
    severity: SEVERITIES[record.sev],
    duration: facts.durationMs === undefined ? undefined : Math.round(facts.durationMs * 1e6),
    provider: PRODUCT,
    module: "model_loader",
    dataset: "model_loader.audit",
  });
}

/** Only types that the standard allows for all of the categories beside them. */
function categoryOf({ type, outcome }: TrailRecord, { path }: Facts): { category: string[]; type: string[] } {
  if (outcome === "denied") return { category: ["file", "intrusion_detection"], type: ["denied"] };
  if (type === "AuditOpened") return { category: ["host"], type: ["start"] };
  if (type === "AuditClosed") return { category: ["host"], type: ["end"] };
  if (type.startsWith("Audit")) return { category: ["host"], type: ["change"] };
  if (path === undefined) return { category: ["host"], type: ["info"] };
  return { category: ["file"], type: [type === "ModelLoaded" ? "access" : "info"] };
}

function fileOf({ path, name, sizeBytes, ino, sha256 }: Facts): object {
  return defined({ path, name, size: sizeBytes, inode: ino, hash: defined({ sha256 }), type: path === undefined ? undefined : "file" });
}

function processOf({ proc }: TrailRecord): object {
  return { pid: proc.pid, thread: { id: proc.thread }, real_user: { id: String(proc.uid) }, user: { id: String(proc.euid) } };
}

function relatedTo({ host }: TrailRecord, { actor, sha256, expectedSha256 }: Facts): object {
  const known = (values: (string | undefined)[]): string[] => [...new Set(values.filter((value) => value !== undefined))];
  return defined({ hash: known([sha256, expectedSha256]), hosts: known([host?.name]), user: known([actor]) });
}
