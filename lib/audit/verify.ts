/** Checks a whole trail from its files alone, and says what such a check cannot prove. */
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { bagOf, namesOf } from "../option-bag.ts";
import { NO_PREVIOUS } from "./chain.ts";
import type { Damage } from "./damage.ts";
import { parseRecord } from "./envelope.ts";
import { placesIn } from "./folder.ts";
import { readRange } from "./lines.ts";
import { countVerification } from "./metrics.ts";
import { bySequence, parseSegmentName } from "./segment-name.ts";
import { notProven } from "./not-proven.ts";
import { signedHead } from "./signed-head.ts";
import type { CheckpointReport, SignedHead, VerifyOptions } from "./signed-head.ts";
import { TreeCheck } from "./tree-check.ts";
import { baseOrigin } from "./tree-name.ts";
import { Walk } from "./walk.ts";
import type { Spot } from "./walk.ts";

export type { Damage, DamageKind } from "./damage.ts";
export type { CheckpointReport, VerifyOptions } from "./signed-head.ts";

export interface TrailReport {
  /** Every record is as it was written and signed, none is missing before the last one, and no byte is unaccounted for. */
  readonly ok: boolean;
  readonly dir: string;
  readonly origin?: string;
  /** 0, or where the trail begins since its retention policy pruned it; a surviving record says exactly that. */
  readonly firstSeq: number;
  /** Records from the first to the last good one, with those that were pruned; the next one's number. */
  readonly records: number;
  /** Leaf hash of the last good record. */
  readonly head: string;
  readonly firstTime?: string;
  readonly lastTime?: string;
  readonly segments: number;
  readonly bytes: number;
  /** Unfinished ends of segments that a later record describes: crashes and failed disks. */
  readonly recovered: number;
  /** The last record says that the trail was closed in order. */
  readonly closed: boolean;
  readonly damage?: Damage;
  /** The signed checkpoint, where there is one whose signature is good. */
  readonly checkpoint?: CheckpointReport;
  /** Files in the log folder that are no segments; nothing reads them. */
  readonly otherFiles: readonly string[];
  /** What this check cannot know, in sentences. */
  readonly notProven: readonly string[];
}

const NAMES = namesOf<VerifyOptions>({ registry: true, vkeys: true, witnesses: true, since: true });

/**
 * Reads every byte of the trail in `dir` once, in constant memory, and holds it against its signed checkpoint and its tiles. Rejects
 * where the folder cannot be read, and with a TypeError where the options hold no keys or no checkpoint.
 */
export async function verifyTrail(dir: string, options: VerifyOptions = {}): Promise<TrailReport> {
  bagOf(options, "options", NAMES);
  const { registry } = options;
  try {
    const report = await verified(dir, options);
    if (registry !== undefined) countVerification(registry, report.ok ? "ok" : "damaged");
    return report;
  } catch (failure) {
    if (registry !== undefined) countVerification(registry, "unreadable");
    throw failure;
  }
}

async function verified(dir: string, options: VerifyOptions): Promise<TrailReport> {
  const { log, folder } = placesIn(resolve(dir));
  const names = (await readdir(log)).sort();
  const segments = names.map(parseSegmentName).filter((name) => name !== undefined).sort(bySequence);
  // Before the records: those of a trail that is being written only become more.
  const head = signedHead(folder, options);
  const tree = head.checkpoint === undefined ? undefined : new TreeCheck(folder, head.checkpoint, head.since);
  const firstSeq = segments[0]?.first ?? 0;
  const begin = firstSeq === 0 ? { first: 0, firstHead: NO_PREVIOUS } : { first: firstSeq, pruned: true };
  const walk = new Walk({ folder: log, ...begin, accepted: (seq, leaf) => { tree?.leaf(seq, leaf); } });
  await walk.run(segments);
  const first = await recordAt(log, walk.first);
  const last = await recordAt(log, walk.last);
  const closed = last?.["type"] === "AuditClosed";
  const damage = walk.damage ?? beheaded(firstSeq, walk) ?? tree?.finish(closed) ?? unsigned(head, walk) ?? unfinished(walk) ?? (segments.length === 0 ? nothing(folder) : undefined);
  return {
    ok: damage === undefined,
    dir: folder,
    ...optional("origin", walk.origin),
    firstSeq,
    records: walk.size,
    head: walk.head ?? NO_PREVIOUS,
    ...optional("firstTime", timeOf(first)),
    ...optional("lastTime", timeOf(last)),
    segments: segments.length,
    bytes: walk.bytes,
    recovered: walk.described,
    closed,
    ...optional("damage", damage),
    ...optional("checkpoint", head.report),
    otherFiles: names.filter((name) => parseSegmentName(name) === undefined),
    notProven: notProven(walk.size, head),
  };
}

/** What is wrong with the signed notes, or that they are another trail's. */
function unsigned({ wrong, report }: SignedHead, { origin }: Walk): Damage | undefined {
  const message = wrong ?? (report === undefined || origin === undefined || baseOrigin(report.origin) === origin ? undefined
    : `the checkpoint is of the log ${report.origin}, and the trail is of origin ${origin}`);
  return message === undefined ? undefined : { seq: 0, kind: "checkpoint", segment: "", offset: 0, message };
}

/** A beginning may be gone only where a record that is left says so, with the hash that the first surviving record is chained to. */
function beheaded(firstSeq: number, { firstPrev, cuts, first }: Walk): Damage | undefined {
  if (firstSeq === 0 || cuts.has(`${firstSeq} ${firstPrev ?? ""}`)) return undefined;
  const segment = first?.segment.name ?? "";
  const message = `records 0 to ${firstSeq - 1} are missing: ${segment} is the first segment, and no record says that those before it were pruned`;
  return { seq: 0, kind: "missing", segment, offset: 0, message };
}

/** An end that a crash leaves and the next opening describes; until then nobody can tell it from a cut. */
function unfinished(walk: Walk): Damage | undefined {
  const [tail] = walk.undescribed;
  const short = walk.unrepeated;
  if (tail !== undefined) {
    const message = `record ${tail.seq} is torn (${tail.segment.name}, byte ${tail.offset}): the last ${tail.len} bytes are no record. ` +
      "A crash or a cut left them; opening the trail for writing records them and goes on";
    return { seq: tail.seq, kind: "torn", segment: tail.segment.name, offset: tail.offset, message };
  }
  if (short === undefined) return undefined;
  const message = `records ${short.from} to ${short.to - 1} stand only in ${short.segment.name}, which was given up; ` +
    "opening the trail for writing repeats them";
  return { seq: short.from, kind: "torn", segment: short.segment.name, offset: 0, message };
}

function nothing(folder: string): Damage {
  return { seq: 0, kind: "missing", segment: "", offset: 0, message: `${folder} holds no segment of an audit trail` };
}

async function recordAt(log: string, spot: Spot | undefined): Promise<Record<string, unknown> | undefined> {
  if (spot === undefined) return undefined;
  return parseRecord((await readRange(join(log, spot.segment.name), spot.offset, spot.len)).toString("latin1"));
}

function timeOf(record: Record<string, unknown> | undefined): string | undefined {
  const time = record?.["time"];
  return typeof time === "string" ? time : undefined;
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
