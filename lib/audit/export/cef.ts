/** ArcSight's Common Event Format, one line an event: `CEF:0|vendor|product|version|id|name|severity|extension`. */
import type { TrailRecord } from "../recorded.ts";
import type { Severity } from "../events.ts";
import { factsOf, PRODUCT } from "./common.ts";
import { titleOf } from "./titles.ts";

/** 0 to 10; from 9 on "very high". */
const SEVERITIES: Readonly<Record<Severity, number>> = { CRITICAL: 10, HIGH: 8, INFO: 3 };

/** The record as a CEF line, without a newline. */
export function toCef(record: TrailRecord): string {
  const header = ["CEF:0", PRODUCT, PRODUCT, record.proc.version, record.type, titleOf(record.type), String(SEVERITIES[record.sev])];
  return `${header.map(headerText).join("|")}|${extension(record)}`;
}

function extension(record: TrailRecord): string {
  return Object.entries(fields(record))
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${extensionText(String(value))}`)
    .join(" ");
}

/** Keys of CEF's dictionary; what it has no key for stands in the labelled custom fields. */
function fields(record: TrailRecord): Readonly<Record<string, string | number | undefined>> {
  const { timeMs, action, reason, actor, message, path, name, sizeBytes, ino, sha256, expectedSha256, corr, trace, policy } = factsOf(record);
  return {
    rt: timeMs, externalId: record.id, deviceExternalId: record.origin, dvchost: record.host?.name, dvcpid: record.proc.pid,
    act: action, outcome: record.outcome, reason, suser: actor, spid: record.proc.pid, suid: record.proc.euid,
    filePath: path, fname: name, fsize: sizeBytes, fileId: ino, fileHash: sha256,
    cn1: record.seq, cn1Label: "seq",
    ...labelled(1, "expectedSha256", expectedSha256), ...labelled(2, "correlationId", corr), ...labelled(3, "traceId", trace),
    ...labelled(4, "policyDigest", policy?.digest), ...labelled(5, "prev", record.prev),
    msg: message,
  };
}

function labelled(number: number, label: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [`cs${number}`]: value, [`cs${number}Label`]: label };
}

function headerText(text: string): string {
  return text.replace(/[\\|]/gu, "\\$&").replace(/[\r\n]+/gu, " ");
}

function extensionText(text: string): string {
  return text.replace(/[\\=]/gu, "\\$&").replace(/\r/gu, "\\r").replace(/\n/gu, "\\n");
}
