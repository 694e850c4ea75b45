/**
 * Pruning under a written policy: which segments may go, and what must be on disk before they do.
 *
 * Only whole segments go, the oldest first, never the one that is written. Each has a record of its own, durable before its file is
 * deleted, that says what the first surviving record names as its predecessor. So after every single deletion, also where a crash
 * comes between two, the trail's beginning is exactly what a surviving record says it is.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import { parseRecord } from "./envelope.ts";
import type { AuditEvent } from "./events.ts";
import type { AuditFs } from "./files.ts";
import { syncFolder } from "./files.ts";
import { listSegments } from "./folder.ts";
import { RECORD_BYTES_MAX } from "./record.ts";
import type { SegmentName } from "./segment-name.ts";

const DAY_MS = 86_400_000;
const NEWLINE = 0x0a;

/** Nothing is deleted without one. What either limit allows to go, goes. */
export interface RetentionPolicy {
  /** Segments whose newest record is older go. The EU's AI Act asks for at least six months: 184. */
  readonly days?: number;
  /** Segments go, oldest first, until the log takes no more than this. */
  readonly bytes?: number;
}

export interface Prunable {
  readonly name: string;
  readonly first: number;
  /** The first record that survives, and its predecessor's leaf hash. */
  readonly next: number;
  readonly head: string;
  readonly bytes: number;
}

interface Beginning {
  readonly seq: unknown;
  readonly prev: unknown;
  readonly time: unknown;
}

/** What may go now. `now` is UTC in milliseconds, `current` the name of the segment that is written. */
export function prunable(fs: AuditFs, log: string, policy: RetentionPolicy, current: string, now: number): Prunable[] {
  const segments = listSegments(fs, log);
  const sizes = segments.map(({ name }) => fs.lstatSync(join(log, name)).size);
  let total = sizes.reduce((sum, size) => sum + size, 0);
  const found: Prunable[] = [];
  for (const [i, segment] of segments.entries()) {
    const next = segments[i + 1];
    const bytes = sizes[i] ?? 0;
    if (segment.name === current || next === undefined || next.first === segment.first) break;
    const head = headBefore(fs, log, next, (endedMs) => tooMuch(policy, total, endedMs, now));
    if (head === undefined) break;
    found.push({ name: segment.name, first: segment.first, next: next.first, head, bytes });
    total -= bytes;
  }
  return found;
}

export function pruned({ name, first, next, head, bytes }: Prunable, { days, bytes: limit }: RetentionPolicy): AuditEvent {
  return {
    type: "AuditPruned", outcome: "info", action: "audit.prune",
    details: {
      segment: name, first, last: next - 1, next, head, bytes,
      ...(days === undefined ? {} : { retentionDays: days }), ...(limit === undefined ? {} : { retentionBytes: limit }),
    },
  };
}

/** Deletes the files, oldest first. Their records must be durable. */
export function removeSegments(fs: AuditFs, log: string, segments: readonly Prunable[]): void {
  for (const { name } of segments) {
    fs.unlinkSync(join(log, name));
    // One by one, so that a power cut cannot keep an older file and lose a younger one.
    syncFolder(fs, log);
  }
}

function tooMuch({ days, bytes }: RetentionPolicy, total: number, endedMs: number, now: number): boolean {
  return (days !== undefined && now - endedMs > days * DAY_MS) || (bytes !== undefined && total > bytes);
}

/** The hash that the segment's first record is chained to, where the segment before it may go. */
function headBefore(fs: AuditFs, log: string, segment: SegmentName, mayGo: (endedMs: number) => boolean): string | undefined {
  const { seq, prev, time } = beginningOf(fs, join(log, segment.name));
  const endedMs = typeof time === "string" ? Date.parse(time) : NaN;
  return seq === segment.first && typeof prev === "string" && mayGo(endedMs) ? prev : undefined;
}

function beginningOf(fs: AuditFs, path: string): Beginning {
  const block = Buffer.alloc(RECORD_BYTES_MAX + 1);
  const fd = fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const count = fs.readSync(fd, block, 0, block.length, 0);
    const end = block.subarray(0, count).indexOf(NEWLINE);
    const record = end === -1 ? undefined : parseRecord(block.toString("latin1", 0, end));
    return { seq: record?.["seq"], prev: record?.["prev"], time: record?.["time"] };
  } finally {
    fs.closeSync(fd);
  }
}
