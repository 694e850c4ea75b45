/**
 * How the last run ended, and where the chain goes on. Only the end of the trail is read: the last segment, and the ones before it
 * as long as a segment does not name its predecessor, which means that its beginning was never finished.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import { NO_PREVIOUS } from "./chain.ts";
import type { Damage } from "./damage.ts";
import { EnvelopeReader, originOf, parseRecord } from "./envelope.ts";
import { asWriteError, AuditWriteError } from "./errors.ts";
import type { AuditEvent } from "./events.ts";
import type { AuditFs } from "./files.ts";
import type { CarriedLine } from "./line.ts";
import { digestFrom, eachLine, readRange } from "./lines.ts";
import type { OpenTail } from "./open-tail.ts";
import type { SegmentName } from "./segment-name.ts";
import { Walk } from "./walk.ts";

export interface Recovery {
  readonly next: number;
  readonly head: string;
  readonly origin: string | undefined;
  /** The segment that can be written on, with its size; absent where a new one must begin. */
  readonly resume: { readonly segment: SegmentName; readonly bytes: number } | undefined;
  readonly carried: readonly CarriedLine[];
  /** What must be recorded before anything else. */
  readonly owed: readonly AuditEvent[];
  /** UTC of the last record, in milliseconds. */
  readonly lastMs?: number;
  readonly previous: "none" | "closed" | "unclean" | "damaged";
}

const NEW_TRAIL: Recovery = {
  next: 0, head: NO_PREVIOUS, origin: undefined, resume: undefined, carried: [], owed: [], previous: "none",
};

export interface RecoveryOptions {
  readonly fs: AuditFs;
  readonly log: string;
  readonly segments: readonly SegmentName[];
  readonly origin: string | undefined;
  /** Go on behind damage, and record that. */
  readonly force: boolean;
}

export async function recover(options: RecoveryOptions): Promise<Recovery> {
  const { segments, log, force } = options;
  if (segments.length === 0) return NEW_TRAIL;
  const { walk, start } = await walkEnd(options);
  const { damage } = walk;
  judgeOrigin(walk.origin, options.origin);
  if (damage === undefined) {
    syncFiles(options, segments.slice(start));
    return resumeAfter(walk, segments.slice(start), start, log);
  }
  if (!force || damage.kind === "version") throw refusal(damage);
  return forcedBehind(damage, options);
}

/** A process that died may have left records that only the page cache holds; nothing is built on them before they are durable. */
function syncFiles({ fs, log }: RecoveryOptions, segments: readonly SegmentName[]): void {
  for (const { name } of segments) {
    const fd = fs.openSync(join(log, name), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      fs.fdatasyncSync(fd);
    } catch (failure) {
      throw asWriteError(failure, `${name} could not be synced`);
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** Goes back until a segment names its predecessor. */
async function walkEnd({ log, segments }: RecoveryOptions): Promise<{ walk: Walk; start: number }> {
  for (let start = segments.length - 1; ; start -= 1) {
    const first = segments[start];
    const whole = start === 0 && first?.first === 0;
    const walk = new Walk({ folder: log, ...(whole ? { firstHead: NO_PREVIOUS } : {}) });
    await walk.run(segments.slice(start));
    const predecessor = segments[start - 1];
    const settled = predecessor === undefined || walk.named.has(predecessor.name);
    if (settled || walk.damage !== undefined) return { walk, start };
  }
}

async function resumeAfter(walk: Walk, segments: readonly SegmentName[], start: number, log: string): Promise<Recovery> {
  const last = segments.at(-1);
  const carried = await carriedLines(walk, log);
  const owed = await owedDescriptions(walk, segments, log);
  const record = await lastRecord(walk, log);
  const torn = walk.undescribed.some((tail) => tail.segment === last);
  const reuse = last !== undefined && !torn && carried.length === 0;
  return {
    next: walk.size,
    head: walk.head ?? NO_PREVIOUS,
    origin: walk.origin,
    resume: reuse ? { segment: last, bytes: await bytesOf(join(log, last.name)) } : undefined,
    carried,
    owed,
    ...(typeof record?.["time"] === "string" ? { lastMs: Date.parse(record["time"]) } : {}),
    previous: walk.last === undefined && start === 0 ? "none" : record?.["type"] === "AuditClosed" && owed.length === 0 ? "closed" : "unclean",
  };
}

/** Each segment that its successor does not name, and each end that is no record. */
async function owedDescriptions(walk: Walk, segments: readonly SegmentName[], log: string): Promise<AuditEvent[]> {
  const owed: AuditEvent[] = [];
  for (const segment of segments) {
    const tail = walk.undescribed.find((open) => open.segment === segment);
    const mute = segment !== segments.at(-1) && !walk.named.has(segment.name);
    if (tail !== undefined || mute) owed.push(await recovered(segment, tail, log));
  }
  return owed;
}

async function recovered(segment: SegmentName, tail: OpenTail | undefined, log: string): Promise<AuditEvent> {
  const path = join(log, segment.name);
  const offset = tail?.offset ?? (await bytesOf(path));
  const details = { segment: segment.name, offset, len: tail?.len ?? 0, sha256: await digestFrom(path, offset) };
  return { type: "AuditRecovered", outcome: "info", action: "audit.recover", reason: tail === undefined ? "UNFINISHED" : "TORN", details };
}

/** What a failed segment holds and its successor did not get to repeat. */
async function carriedLines(walk: Walk, log: string): Promise<CarriedLine[]> {
  const range = walk.unrepeated;
  const lines: CarriedLine[] = [];
  if (range === undefined) return lines;
  const reader = new EnvelopeReader(walk.origin ?? "");
  await eachLine(join(log, range.segment.name), (block, start, end) => {
    const envelope = reader.read(block, start, end);
    if (envelope !== undefined && envelope.seq >= range.from) {
      lines.push({ seq: envelope.seq, leaf: envelope.leaf, text: `${block.toString("latin1", start, end)}\n` });
    }
    return true;
  });
  return lines;
}

async function lastRecord(walk: Walk, log: string): Promise<Record<string, unknown> | undefined> {
  if (walk.last === undefined) return undefined;
  const { segment, offset, len } = walk.last;
  const line = await readRange(join(log, segment.name), offset, len);
  return parseRecord(line.toString("latin1"));
}

async function bytesOf(path: string): Promise<number> {
  return (await eachLine(path, () => true)).bytes;
}

function judgeOrigin(found: string | undefined, asked: string | undefined): void {
  if (found === undefined || asked === undefined || found === asked) return;
  throw new AuditWriteError("folder", `the trail in this folder is of origin ${found}, not ${asked}; a trail keeps its origin`);
}

function refusal(damage: Damage): AuditWriteError {
  if (damage.kind === "version") {
    return new AuditWriteError("version", `the audit trail was written by a later version of this program: ${damage.message}; update it`);
  }
  return new AuditWriteError(
    "damaged",
    `the audit trail is damaged: ${damage.message}. Keep a copy and find out why; then open a new folder, or this one with force: true, which is recorded`,
  );
}

/** The chain goes on behind the last record that can be read; the damage stays visible, and is named in the trail. */
async function forcedBehind(damage: Damage, { log, segments, origin: expected }: RecoveryOptions): Promise<Recovery> {
  let [next, head, origin] = [0, NO_PREVIOUS, expected];
  for (const segment of segments) {
    next = Math.max(next, segment.first);
    await eachLine(join(log, segment.name), (block, start, end) => {
      origin ??= originOf(block, start, end);
      const envelope = origin === undefined ? undefined : new EnvelopeReader(origin).read(block, start, end);
      if (envelope !== undefined && envelope.seq >= next) [next, head] = [envelope.seq + 1, envelope.leaf];
      return true;
    });
  }
  const details = { seq: damage.seq, kind: damage.kind, segment: damage.segment, offset: damage.offset, message: damage.message };
  const forced: AuditEvent = { type: "AuditDamageForced", outcome: "allowed", action: "audit.open", reason: "FORCED", details };
  const last = segments.at(-1);
  // The new segment names its predecessor, so that the next opening does not read back into the damage.
  const behind = last === undefined ? [] : [await recovered(last, undefined, log)];
  return { next, head, origin, resume: undefined, carried: [], owed: [forced, ...behind], previous: "damaged" };
}
