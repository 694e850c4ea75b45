/** The records of a trail, one after the other, in constant memory. Whether they are genuine is for verifyTrail to say. */
import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseRecord } from "./envelope.ts";
import type { AuditEventType, AuditOutcome, Severity } from "./events.ts";
import { placesIn } from "./folder.ts";
import { bySequence, parseSegmentName } from "./segment-name.ts";

/** Text that was too long stands as its beginning, its length in UTF-16 units and the digest of all of it. */
export type RecordedText =
  | string
  | { readonly text: string; readonly len: number; readonly sha256: string; readonly truncated: true }
  | { readonly type: string; readonly text: RecordedText };

export interface TrailRecord {
  readonly v: 1;
  readonly origin: string;
  readonly seq: number;
  readonly id: string;
  readonly time: string;
  readonly mono: string;
  readonly boot: string;
  readonly proc: Readonly<Record<string, string | number>>;
  readonly type: AuditEventType;
  readonly sev: Severity;
  readonly outcome: AuditOutcome;
  readonly action: RecordedText;
  readonly reason?: RecordedText;
  readonly actor?: RecordedText;
  readonly target?: Readonly<Record<string, unknown>>;
  readonly corr?: RecordedText;
  readonly trace?: RecordedText;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly prev: string;
}

/** In the order of their numbers; what a segment repeats of its predecessor comes once, and bytes that are no record not at all. */
export async function* trailRecords(dir: string): AsyncGenerator<TrailRecord> {
  const { log } = placesIn(resolve(dir));
  const segments = (await readdir(log)).map(parseSegmentName).filter((name) => name !== undefined).sort(bySequence);
  let next = 0;
  for (const { name } of segments) {
    const file = await open(join(log, name), constants.O_RDONLY | constants.O_NOFOLLOW);
    for await (const line of file.readLines({ encoding: "latin1" })) {
      const record = asTrailRecord(parseRecord(line));
      if (record === undefined || record.seq < next) continue;
      next = record.seq + 1;
      yield record;
    }
  }
}

function asTrailRecord(record: Record<string, unknown> | undefined): TrailRecord | undefined {
  return record?.["v"] === 1 && Number.isSafeInteger(record["seq"]) ? (record as unknown as TrailRecord) : undefined;
}
