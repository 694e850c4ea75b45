/** What the trail records about its own runs: how each began, under which settings, how it ended, and when its clock was set. */
import type { ClockStep } from "./clock.ts";
import type { AuditEvent, DetailsOf } from "./events.ts";
import { installation } from "./identity.ts";
import type { Settings } from "./options.ts";
import type { Recovery } from "./recovery.ts";
import type { RetentionPolicy } from "./retention.ts";

export function runOpened({ previous, next }: Recovery, settings: Settings): AuditEvent {
  const reason = previous === "unclean" ? "AFTER_UNCLEAN_END" : previous === "damaged" ? "AFTER_DAMAGE" : "IN_ORDER";
  return { type: "AuditOpened", outcome: "info", action: "audit.open", reason, details: { previous, records: next, ...settingsJson(settings), ...installation() } };
}

/** An auditor sees under which settings each run recorded. */
function settingsJson({ segmentBytes, rotateDaily, reserveBytes, retention, flood, checkpoints }: Settings): Partial<DetailsOf<"AuditOpened">> {
  const { days, bytes }: RetentionPolicy = retention ?? {};
  return {
    segmentBytes, rotateDaily, reserveBytes,
    ...(days === undefined ? {} : { retentionDays: days }), ...(bytes === undefined ? {} : { retentionBytes: bytes }),
    flood: flood === undefined ? "off" : Object.values(flood).join(" "),
    checkpoints: checkpoints !== undefined,
  };
}

export function runClosed(why: string): AuditEvent {
  return { type: "AuditClosed", outcome: "info", action: "audit.close", details: { why } };
}

export function clockStepped({ expectedMs, foundMs }: ClockStep): AuditEvent {
  const details = { before: new Date(expectedMs).toISOString(), after: new Date(foundMs).toISOString(), deltaMs: foundMs - expectedMs };
  return { type: "AuditClockStepped", outcome: "info", action: "audit.clock", details };
}
