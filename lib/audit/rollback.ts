/** A trail that is not the one that its own checkpoint signed: as a refusal, and as the event that goes with it. */
import { join } from "node:path";
import { peekCheckpoint } from "../tlog/checkpoint.ts";
import type { Checkpoint } from "../tlog/checkpoint.ts";
import { Frontier } from "../tlog/frontier.ts";
import { readFileIfAny } from "../tlog/tlog-fs.ts";
import type { TlogFs } from "../tlog/tlog-fs.ts";
import { AuditWriteError } from "./errors.ts";
import type { AuditEvent } from "./events.ts";
import { trailLeaves } from "./trail-leaves.ts";

export type RollbackReason =
  /** Fewer records than were signed. */
  | "LOG_BEHIND_CHECKPOINT"
  /** As many, but not the same ones. */
  | "LOG_DIFFERS_FROM_CHECKPOINT"
  /** The verifier key is there, and the checkpoint that it came with is not. */
  | "CHECKPOINT_MISSING"
  /** Not signed by the trail's key, changed, or of another log. */
  | "CHECKPOINT_REFUSED";

/** What was found, before it is decided whether that is refused. */
export class Rollback extends Error {
  readonly reason: RollbackReason;

  constructor(reason: RollbackReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

/** The opening is refused; the trail itself cannot be told. */
export class RolledBackError extends AuditWriteError {
  readonly event: AuditEvent;
  /** Durable records in the trail as it was found. */
  readonly size: number;

  constructor(rollback: Rollback, event: AuditEvent, size: number) {
    super(
      "rolled_back",
      `the audit trail is not the one that was signed: ${rollback.message}. Keep a copy and find out why; then open a new folder, or this one ` +
        "with force: true, which keeps the old checkpoint, begins a new tree and records that",
      rollback,
    );
    this.event = event;
    this.size = size;
  }
}

export interface Found {
  readonly folder: string;
  readonly fs: TlogFs;
  /** Durable records. */
  readonly size: number;
}

/** `where`: the folder in which the signed checkpoint lies. */
export async function rollbackEvent(found: Found, where: string, outcome: "denied" | "allowed", rollback: Rollback | undefined): Promise<AuditEvent> {
  const signed = signedIn(found.fs, where);
  const details = {
    signedOrigin: signed?.origin,
    signedSize: signed?.size,
    signedRoot: signed?.root.toString("base64"),
    foundSize: found.size,
    foundRoot: (await rootOf(found, Math.min(found.size, signed?.size ?? Infinity)))?.toString("base64"),
    keptIn: outcome === "allowed" ? where.slice(found.folder.length + 1) : undefined,
    message: rollback?.message,
  };
  return { type: "AuditRollbackDetected", outcome, action: "audit.open", reason: rollback?.reason ?? "FORCED", details };
}

/** The root over the first `size` records of the trail as it is; undefined where some of them are missing. */
export async function rootOf({ folder }: Pick<Found, "folder">, size: number): Promise<Buffer | undefined> {
  const tree = new Frontier();
  const gaps = { missed: false };
  for await (const leaves of trailLeaves(folder, { from: 0, to: size, gaps: () => (gaps.missed = true) })) {
    if (gaps.missed) return undefined;
    for (const leaf of leaves) tree.append(leaf);
  }
  return tree.root();
}

function signedIn(fs: TlogFs, folder: string): Checkpoint | undefined {
  try {
    const note = readFileIfAny(fs, join(folder, "checkpoint"));
    return note === undefined ? undefined : peekCheckpoint(note);
  } catch {
    // Damaged or unreadable: then there is nothing that it says.
    return undefined;
  }
}
