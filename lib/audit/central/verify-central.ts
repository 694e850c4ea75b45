/** Checks trails as they arrived away from their hosts, and whether a host's own trail still agrees with what it sent. */
import { bagOf, namesOf } from "../../option-bag.ts";
import { openCheckpoint, peekCheckpoint } from "../../tlog/checkpoint.ts";
import type { OpenedCheckpoint } from "../../tlog/checkpoint.ts";
import { TlogError } from "../../tlog/errors.ts";
import { Frontier } from "../../tlog/frontier.ts";
import type { Damage } from "../damage.ts";
import { logKeys } from "../trust.ts";
import { baseOrigin } from "../tree-name.ts";
import { verifyTrail } from "../verify.ts";
import type { TrailReport } from "../verify.ts";
import { disagreement } from "./agreement.ts";
import { LineWalk, timeOf } from "./line-walk.ts";
import type { CentralSource, CentralTrail } from "./sources.ts";

export interface CentralOptions {
  /** Only this host's trail. Default: all. */
  readonly origin?: string;
  /** The host's own trail, to be held against what arrived. */
  readonly dir?: string;
  /** A signed checkpoint of the trail: the records that it covers must have arrived, and be those. */
  readonly since?: string | Uint8Array;
  /** The log's verifier keys; needed for `since`. */
  readonly vkeys?: readonly string[];
}

export interface CentralReport {
  readonly ok: boolean;
  readonly origin: string;
  /** Good records, from the first. */
  readonly records: number;
  /** Leaf hash of the last good record. */
  readonly head: string;
  readonly firstTime?: string;
  readonly lastTime?: string;
  readonly bytes: number;
  /** Lines that arrived more than once. */
  readonly repeated: number;
  /** The last record says that the trail was closed in order. */
  readonly closed: boolean;
  readonly damage?: Damage;
  /** Of the host's own trail, where it was given; its own damage stands there. */
  readonly local?: TrailReport;
  /** Records of the host's own trail that have not arrived yet. */
  readonly notArrived?: number;
  readonly notProven: readonly string[];
}

const NAMES = namesOf<CentralOptions>({ origin: true, dir: true, since: true, vkeys: true });

/**
 * One report for each trail, in constant memory. Rejects where the source or the folder cannot be read, and with a TypeError where
 * there is no such trail, or where keys and checkpoint do not go together.
 */
export async function verifyCentral(source: CentralSource, options: CentralOptions = {}): Promise<CentralReport[]> {
  bagOf(options, "options", NAMES);
  const signed = signedBy(options);
  const all = await source.trails();
  const wanted = options.origin === undefined ? all : all.filter(({ origin }) => origin === options.origin);
  if (wanted.length === 0) throw new TypeError(options.origin === undefined ? "no trail has arrived there" : `no trail of origin ${options.origin} has arrived there`);
  if (wanted.length > 1 && (options.dir !== undefined || signed !== undefined)) {
    throw new TypeError(`${wanted.length} trails have arrived there: say with origin which one is meant, such as ${wanted[0]?.origin ?? ""}`);
  }
  const reports: CentralReport[] = [];
  for (const trail of wanted) reports.push(await check(trail, source, options.dir, signed));
  return reports;
}

async function check(trail: CentralTrail, source: CentralSource, dir: string | undefined, signed: OpenedCheckpoint | undefined): Promise<CentralReport> {
  const tree = signed === undefined ? undefined : new SignedPart(signed);
  const walk = new LineWalk(trail.origin, (_, leaf) => { tree?.leaf(leaf); });
  for await (const line of trail.lines()) walk.line(line);
  const arrived = walk.finish() ?? tree?.finish(trail.origin);
  const local = dir === undefined ? undefined : await verifyTrail(dir);
  const damage = arrived ?? (dir === undefined ? undefined : foreign(local, trail) ?? (await disagreement(dir, walk, trail)));
  const last = walk.last;
  return {
    ok: damage === undefined && local?.ok !== false,
    origin: trail.origin,
    records: walk.size,
    head: walk.head,
    ...(walk.firstTime === undefined ? {} : { firstTime: walk.firstTime }),
    ...withTime(timeOf(last)),
    bytes: walk.bytes,
    repeated: walk.repeated,
    closed: last?.["type"] === "AuditClosed",
    ...(damage === undefined ? {} : { damage }),
    ...(local === undefined ? {} : { local, notArrived: Math.max(0, local.records - walk.size) }),
    notProven: notProven(walk, dir, source),
  };
}

function withTime(lastTime: string | undefined): { lastTime?: string } {
  return lastTime === undefined ? {} : { lastTime };
}

function foreign(local: TrailReport | undefined, { origin }: CentralTrail): Damage | undefined {
  if (local?.origin === undefined || local.origin === origin) return undefined;
  return { seq: 0, kind: "rolled-back", segment: "", offset: 0, message: `the host's own trail is of origin ${local.origin}, not ${origin}: a new one was begun in its place` };
}

/** The tree over what arrived, as far as it was signed. */
class SignedPart {
  readonly #signed: OpenedCheckpoint;
  readonly #frontier = new Frontier();

  constructor(signed: OpenedCheckpoint) {
    this.#signed = signed;
  }

  leaf(hex: string): void {
    if (this.#frontier.size < this.#signed.size) this.#frontier.append(Buffer.from(hex, "hex"));
  }

  finish(origin: string): Damage | undefined {
    const { size, root } = this.#signed;
    const arrived = this.#frontier.size;
    const damage = (seq: number, kind: Damage["kind"], message: string): Damage => ({ seq, kind, segment: "", offset: 0, message });
    if (baseOrigin(this.#signed.origin) !== origin) return damage(0, "checkpoint", `the checkpoint is of the log ${this.#signed.origin}, and the trail is of origin ${origin}`);
    if (arrived < size) return damage(arrived, "missing", `records ${arrived} to ${size - 1} were signed and have not arrived`);
    if (this.#frontier.root().equals(root)) return undefined;
    return damage(0, "rolled-back", `one of the first ${size} records is not the one that was signed: the host signed another history than it sent`);
  }
}

function signedBy({ since, vkeys }: CentralOptions): OpenedCheckpoint | undefined {
  if (since === undefined) return undefined;
  if (vkeys === undefined) throw new TypeError("a checkpoint needs the log's verifier keys (vkeys)");
  try {
    peekCheckpoint(since);
    const keys = logKeys(vkeys);
    return openCheckpoint(since, keys.name, keys.verifiers);
  } catch (failure) {
    if (failure instanceof TlogError) throw new TypeError(failure.message, { cause: failure });
    throw failure;
  }
}

function notProven(walk: LineWalk, dir: string | undefined, { weaknesses }: CentralSource): string[] {
  return [
    ...(dir === undefined ? [`That the host recorded nothing after record ${walk.size - 1} that has not arrived: give the host's own folder to compare.`] : []),
    "That the host told the truth: a record is what its host sent, and whoever holds the host's rights to send can send more.",
    ...weaknesses.map((weakness) => `That nothing was taken out before it was read: ${weakness}.`),
  ];
}
