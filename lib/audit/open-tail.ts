/** The unfinished end of a segment, and the record that accounts for it. */
import { parseRecord } from "./envelope.ts";
import type { SegmentName } from "./segment-name.ts";

/** The end of a segment that is no record. */
export interface OpenTail {
  readonly segment: SegmentName;
  readonly offset: number;
  readonly len: number;
  /** The record that was expected there. */
  readonly seq: number;
}

/** What a record about the trail says of a segment. */
export interface Description {
  readonly segment: string;
  readonly offset: number;
  readonly len: number;
  readonly sha256: string;
  readonly abandoned: boolean;
}

const DESCRIBING = ["AuditRecovered", "AuditSegmentAbandoned", "AuditRotated"];

export function descriptionIn(line: string): Description | undefined {
  const record = parseRecord(line);
  const type = String(record?.["type"]);
  const details = record?.["details"];
  if (!DESCRIBING.includes(type) || typeof details !== "object" || details === null) return undefined;
  const { segment, offset, len, sha256 } = details as Record<string, unknown>;
  const abandoned = type === "AuditSegmentAbandoned";
  return { segment: String(segment), offset: Number(offset), len: Number(len), sha256: String(sha256), abandoned };
}

export function describes(description: Description, tail: OpenTail): boolean {
  if (description.segment !== tail.segment.name) return false;
  return isExact(description, tail) || (description.abandoned && tail.offset + tail.len <= description.offset + description.len);
}

export function isExact(description: Description, tail: OpenTail): boolean {
  return description.offset === tail.offset && description.len === tail.len;
}
