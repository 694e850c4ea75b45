/** CloudEvents 1.0 in its JSON format: an envelope that brokers route by, around the record as it stands. */
import type { TrailRecord } from "../recorded.ts";
import { factsOf } from "./common.ts";

/** What every intermediary must be able to pass on. A record of at most 16 KiB stays far below it. */
export const CLOUD_EVENT_BYTES_MAX: number = 65_536;
const SEQUENCE_DIGITS = 20;

export interface CloudEvent {
  readonly specversion: "1.0";
  /** Unique together with `source`. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time: string;
  readonly subject: string;
  readonly datacontenttype: "application/json";
  /** The sequence extension: sorts as text in the order of the trail. */
  readonly sequence: string;
  readonly severity: string;
  readonly data: TrailRecord;
}

export function toCloudEvent(record: TrailRecord): CloudEvent {
  const { path, action } = factsOf(record);
  return {
    specversion: "1.0",
    id: record.id,
    source: record.origin.split("/").map(encodeURIComponent).join("/"),
    type: `model-loader.audit.${record.type}`,
    time: record.time,
    // The text may be empty, an attribute's value may not.
    subject: path || action || record.type,
    datacontenttype: "application/json",
    sequence: String(record.seq).padStart(SEQUENCE_DIGITS, "0"),
    severity: record.sev.toLowerCase(),
    data: record,
  };
}
