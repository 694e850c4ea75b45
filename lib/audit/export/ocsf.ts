/**
 * OCSF 1.5: one object an event, of the class that fits it.
 * - What was refused, or is grave: Detection Finding (2004), a thing to look at, with what was done about it (profile security_control).
 * - The life of the trail: Event Log Activity (1008), made for starting, stopping, rotating and clearing a log.
 * - A file that was loaded or looked at: File System Activity (1001).
 * - The rest is about memory: a buffer that was judged, weights on a device. Memory Activity (1004).
 */
import type { AuditEventType, AuditOutcome, Severity } from "../events.ts";
import { defined, factsOf, isFinding, PRODUCT, unmapped } from "./common.ts";
import type { Facts } from "./common.ts";
import type { TrailRecord } from "../recorded.ts";
import { titleOf } from "./titles.ts";

const OCSF_VERSION = "1.5.0";
const SEVERITIES: Readonly<Record<Severity, number>> = { CRITICAL: 5, HIGH: 4, INFO: 1 };
const STATUSES: Readonly<Record<AuditOutcome, number>> = { allowed: 1, denied: 2, failed: 2, info: 0 };
/** Denied and blocked, or observed and detected: nothing was stopped. */
const BLOCKED = { action_id: 2, disposition_id: 2 } as const;
const DETECTED = { action_id: 3, disposition_id: 15 } as const;
const REGULAR_FILE = 1;
const SHA_256 = 3;
const OTHER = 99;
const READ_FILE = 2;

/** An event of a class that needs no activity of its own here is "Other", named by its action. */
const LOG_ACTIVITIES: Readonly<Partial<Record<AuditEventType, number>>> = { AuditPruned: 2, AuditRotated: 5, AuditOpened: 6, AuditClosed: 7 };
const MEMORY_ACTIVITIES: Readonly<Partial<Record<AuditEventType, number>>> = { VramAllocated: 1, VramDeallocated: 3, ModelLoaded: 7 };

export function toOcsf(record: TrailRecord): object {
  const facts = factsOf(record);
  if (isFinding(record)) return finding(record, facts);
  if (record.type.startsWith("Audit")) return activity(record, facts, 1008, LOG_ACTIVITIES[record.type], { log_name: record.origin, log_type_id: 2, log_type: "Application" });
  const ofFile = facts.path !== undefined;
  if (ofFile) return activity(record, facts, 1001, record.type === "ModelLoaded" ? READ_FILE : undefined, { file: fileOf(facts) });
  return activity(record, facts, 1004, MEMORY_ACTIVITIES[record.type], { process: processOf(record) });
}

function finding(record: TrailRecord, facts: Facts): object {
  const denied = record.outcome === "denied";
  return defined({
    activity_id: 1, activity_name: "Create", category_uid: 2, class_uid: 2004, type_uid: 200_401,
    ...base(record, facts, ["security_control"]),
    status_id: 1,
    finding_info: defined({ uid: record.id, title: titleOf(record.type), types: [record.type], desc: facts.message, created_time: facts.timeMs }),
    ...(denied ? BLOCKED : DETECTED),
    action: facts.action,
    is_alert: true,
    policy: defined({ name: facts.policy?.id, version: facts.policy?.version, uid: facts.policy?.digest }),
    device: deviceOf(record),
    evidences: [defined({ actor: actorOf(record, facts), file: fileOf(facts) })],
  });
}

function activity(record: TrailRecord, facts: Facts, classUid: number, activityId: number = OTHER, own: object = {}): object {
  return defined({
    activity_id: activityId,
    activity_name: activityId === OTHER ? facts.action : undefined,
    category_uid: 1, class_uid: classUid, type_uid: classUid * 100 + activityId,
    ...base(record, facts, []),
    status_id: STATUSES[record.outcome],
    actor: actorOf(record, facts),
    device: deviceOf(record),
    ...own,
  });
}

function base(record: TrailRecord, { timeMs, message, reason, corr, trace, durationMs }: Facts, profiles: string[]): object {
  return defined({
    severity_id: SEVERITIES[record.sev],
    time: timeMs,
    timezone_offset: 0,
    message: message ?? titleOf(record.type),
    status_code: reason,
    status_detail: record.outcome,
    duration: durationMs === undefined ? undefined : Math.round(durationMs),
    metadata: defined({
      version: OCSF_VERSION,
      product: { name: PRODUCT, vendor_name: PRODUCT, version: record.proc.version },
      profiles: profiles.length === 0 ? undefined : profiles,
      uid: record.id,
      sequence: record.seq,
      event_code: record.type,
      log_name: record.origin,
      original_time: record.time,
      correlation_uid: corr ?? trace,
    }),
    unmapped: { ...unmapped(record), ...defined({ corr, trace }) },
  });
}

/** Who wrote the record: the process and its user; who asked stands beside them as the application's own name for it. */
function actorOf(record: TrailRecord, { actor }: Facts): object {
  return defined({ process: processOf(record), invoked_by: actor });
}

function processOf({ proc }: TrailRecord): object {
  return { pid: proc.pid, name: "node", user: { uid: String(proc.euid) } };
}

function deviceOf({ host }: TrailRecord): object {
  return defined({ type_id: 0, hostname: host?.name, uid: host?.id });
}

function fileOf({ path, name, sizeBytes, ino, sha256 }: Facts): object | undefined {
  if (path === undefined || name === undefined) return undefined;
  const hashes = sha256 === undefined ? undefined : [{ algorithm_id: SHA_256, algorithm: "SHA-256", value: sha256 }];
  return defined({ name, path, type_id: REGULAR_FILE, size: sizeBytes, uid: ino, hashes });
}
