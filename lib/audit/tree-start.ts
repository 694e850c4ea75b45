/**
 * The opening of a trail's tree: reads what was signed before, compares it with the trail, and catches up with its durable records.
 *
 * The comparison is cheap, because the trail is a chain: each record names the leaf hash of the one before it. If the last record
 * that was signed still has the leaf hash that the signed tree has at its place, then every record before it is the signed one, or
 * the chain is broken, which verification finds. Only where the tiles cannot show that leaf is the trail read from its beginning.
 */
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { TlogError } from "../tlog/errors.ts";
import type { Fold } from "../tlog/hash.ts";
import { keyIdHex } from "../tlog/key-name.ts";
import { parseNote } from "../tlog/note.ts";
import { same } from "../tlog/proof.ts";
import { provenLeaf, Publisher } from "../tlog/publisher.ts";
import type { Published } from "../tlog/publisher.ts";
import { NoteSigner } from "../tlog/signer.ts";
import { readFileIfAny } from "../tlog/tlog-fs.ts";
import type { TlogFs } from "../tlog/tlog-fs.ts";
import type { CheckpointSettings } from "./checkpoint-options.ts";
import { AuditWriteError } from "./errors.ts";
import type { AuditEvent } from "./events.ts";
import { Rollback, rollbackEvent, RolledBackError, rootOf } from "./rollback.ts";
import { signingKeys } from "./signing-keys.ts";
import { GapError, trailLeaves } from "./trail-leaves.ts";
import { supersede, supersededCount, supersededFolder, treeName } from "./tree-name.ts";

export interface TreeStart {
  readonly folder: string;
  /** The trail's. */
  readonly origin: string;
  readonly settings: CheckpointSettings;
  readonly fold: Fold;
  /** Durable records: the tree begins with these. */
  readonly size: number;
  /** Go on although the trail is damaged or is not the one that was signed. */
  readonly force: boolean;
  /** Make the tiles anew from the records. */
  readonly rebuild?: boolean;
}

export interface StartedTree {
  /** Undefined where the tiles could not be written; the log works without, and this is tried again. */
  readonly publisher: Publisher | undefined;
  readonly failure?: unknown;
  /** What the trail must record of it. */
  readonly owed: readonly AuditEvent[];
}

/** Rejects with AuditWriteError where the trail is not the signed one (`rolled_back`), the key is unusable (`key`) or records are missing (`damaged`). */
export async function startTree(start: TreeStart): Promise<StartedTree> {
  const { folder, settings: { fs }, force } = start;
  const superseded = supersededCount(fs, folder);
  const keys = signingKeys(folder, start.settings, force || !has(fs, folder, "checkpoint"));
  try {
    return await begin(start, keys, superseded);
  } catch (failure) {
    if (!(failure instanceof Rollback)) throw failure;
    if (!force) throw new RolledBackError(failure, await rollbackEvent({ ...start, fs }, folder, "denied", failure), start.size);
    supersede(fs, folder, superseded + 1);
    return begin(start, keys, superseded + 1, failure);
  }
}

async function begin(start: TreeStart, keys: readonly KeyObject[], superseded: number, rollback?: Rollback): Promise<StartedTree> {
  const { folder, settings: { fs } } = start;
  const signers = keys.map((key) => new NoteSigner(treeName(start.origin, superseded), key));
  const publisher = open(start, signers);
  const { published } = publisher;
  const owed = rotatedKey(published, signers);
  if (published === undefined && superseded > 0) {
    owed.push(await rollbackEvent({ ...start, fs }, supersededFolder(folder, superseded), "allowed", rollback));
  }
  if (published !== undefined) await compare(start, publisher, published);
  const failure = await catchUp(start, publisher, owed);
  return failure === undefined ? { publisher, owed } : { publisher: undefined, failure, owed };
}

function open({ folder, settings: { fs }, fold, rebuild = false }: TreeStart, signers: readonly NoteSigner[]): Publisher {
  const origin = signers[0]?.name ?? "";
  if (!has(fs, folder, "checkpoint") && has(fs, folder, "vkey")) throw new Rollback("CHECKPOINT_MISSING", "its checkpoint is gone, and the verifier key that came with it is still there");
  try {
    return Publisher.open({ folder, origin, signers, fs, fold, rebuild });
  } catch (failure) {
    if (failure instanceof TlogError) throw new Rollback("CHECKPOINT_REFUSED", failure.message, failure);
    throw failure;
  }
}

/** Whether the trail still has the records that were signed. */
async function compare({ folder, size, force }: TreeStart, publisher: Publisher, published: Published): Promise<void> {
  if (size < published.size) throw new Rollback("LOG_BEHIND_CHECKPOINT", `it has ${size} records, and ${published.size} were signed`);
  if (published.size === 0) return;
  const last = published.size - 1;
  const genuine = publisher.size === 0
    ? same((await rootOf({ folder }, published.size)) ?? Buffer.alloc(0), published.root)
    : await isLeaf(folder, last, provenLeaf(publisher.tiles, published, last), force);
  if (!genuine) throw new Rollback("LOG_DIFFERS_FROM_CHECKPOINT", `its first ${published.size} records are not those that were signed`);
}

/** A record that cannot be read is damage of another kind: where that is forced, the tree keeps the leaf that it has. */
async function isLeaf(folder: string, seq: number, leaf: Buffer, force: boolean): Promise<boolean> {
  const gaps = { missed: false };
  for await (const [found] of trailLeaves(folder, { from: seq, to: seq + 1, gaps: () => (gaps.missed = true) })) {
    if (found !== undefined && !gaps.missed) return same(found, leaf);
  }
  return force && gaps.missed;
}

/** Returns why tiles could not be written. */
async function catchUp({ folder, size, force }: TreeStart, publisher: Publisher, owed: AuditEvent[]): Promise<unknown> {
  const fresh = publisher.published === undefined;
  const gaps = (seq: number): boolean => {
    // Without a checkpoint the beginning may have been pruned long ago.
    if (!force) return fresh && seq === 0;
    owed.push({ type: "AuditDamageForced", outcome: "allowed", action: "audit.open", reason: "FORCED", details: { seq, kind: "missing", message: "the tree goes on without them" } });
    return true;
  };
  try {
    for await (const leaves of trailLeaves(folder, { from: publisher.size, to: size, gaps })) publisher.catchUp(leaves);
    return undefined;
  } catch (failure) {
    if (failure instanceof GapError) throw new AuditWriteError("damaged", `the audit trail is damaged: ${failure.message}, although later records are there`, failure);
    if (failure instanceof TlogError) throw new Rollback("LOG_DIFFERS_FROM_CHECKPOINT", failure.message, failure);
    return failure;
  }
}

/** The checkpoint that was signed last is not signed with the key that comes first now. */
function rotatedKey(published: Published | undefined, [current, ...older]: readonly NoteSigner[]): AuditEvent[] {
  if (published === undefined || current === undefined) return [];
  const signatures = parseNote(published.note).signatures;
  if (signatures.some(({ keyId, name }) => keyId === current.keyId && name === current.name)) return [];
  const beside = older.map(({ keyId }) => keyIdHex(keyId)).join(" ");
  const details = { origin: current.name, keyId: keyIdHex(current.keyId), vkey: current.vkey, beside, checkpoint: published.size };
  return [{ type: "AuditKeyRotated", outcome: "info", action: "audit.rotate-key", details }];
}

/** A file of that name that is too strange to be read is there all the same. */
function has(fs: TlogFs, folder: string, name: string): boolean {
  try {
    return readFileIfAny(fs, join(folder, name)) !== undefined;
  } catch (failure) {
    if (failure instanceof TlogError) return true;
    throw failure;
  }
}
