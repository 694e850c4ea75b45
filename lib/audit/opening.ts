/** What is found when a trail is opened: how its last run ended, and whether it is still the one that was signed. */
import { join } from "node:path";
import { peekCheckpoint } from "../tlog/checkpoint.ts";
import { readFileIfAny } from "../tlog/tlog-fs.ts";
import { Alarm } from "./alarm.ts";
import { Timekeeper } from "./clock.ts";
import { asWriteError } from "./errors.ts";
import type { AuditEvent } from "./events.ts";
import { listSegments } from "./folder.ts";
import type { TrailFolder } from "./folder.ts";
import { identityJson, newOrigin } from "./identity.ts";
import { AuditMetrics } from "./metrics.ts";
import { isOrigin } from "./options.ts";
import type { Settings } from "./options.ts";
import { draftOf, linePrefix } from "./record.ts";
import { Stamps } from "./stamp.ts";
import { recover } from "./recovery.ts";
import type { Recovery } from "./recovery.ts";
import { RolledBackError } from "./rollback.ts";
import { baseOrigin } from "./tree-name.ts";
import { startTree } from "./tree-start.ts";
import type { StartedTree, TreeStart } from "./tree-start.ts";

export interface Opened {
  readonly origin: string;
  readonly recovery: Recovery;
  /** Undefined where the trail is opened without checkpoints. */
  readonly tree: StartedTree | undefined;
  /** Records that are durable where they stand; the carried ones are not. */
  readonly durable: number;
  /** What must be recorded before anything else. */
  readonly owed: readonly AuditEvent[];
  /** Opens the tree anew while the trail is written. */
  readonly restartTree: (size: number, rebuild: boolean) => Promise<StartedTree>;
}

/** The folder is locked. Rejects with AuditWriteError. */
export async function openTrail(settings: Settings, places: TrailFolder): Promise<Opened> {
  const { fs, force } = settings;
  const segments = listSegments(fs, places.log);
  const recovery = await recover({ fs, log: places.log, segments, origin: settings.origin, force });
  const origin = recovery.origin ?? settings.origin ?? signedOrigin(settings, places.folder) ?? newOrigin();
  const durable = recovery.carried[0]?.seq ?? recovery.next;
  const start = (more: Partial<TreeStart>): Promise<StartedTree> => tree(settings, { folder: places.folder, origin, size: durable, force: false, ...more });
  const started = settings.checkpoints === undefined ? undefined : await start({ force });
  const restartTree: Opened["restartTree"] = (size, rebuild) => start({ size, rebuild });
  return { origin, recovery, tree: started, durable, owed: [...recovery.owed, ...(started?.owed ?? [])], restartTree };
}

async function tree(settings: Settings, start: Omit<TreeStart, "settings" | "fold">): Promise<StartedTree> {
  const { checkpoints, fold } = settings;
  if (checkpoints === undefined) throw new Error("this trail has no tree");
  // Keys are changed once, at the opening.
  const rotateKey = checkpoints.rotateKey && start.rebuild === undefined;
  try {
    return await startTree({ ...start, fold, settings: { ...checkpoints, rotateKey } });
  } catch (failure) {
    if (failure instanceof RolledBackError && start.rebuild === undefined) tell(settings, start.folder, start.origin, failure);
    throw asWriteError(failure, "the audit trail's checkpoint could not be read");
  }
}

/** The trail is refused and cannot record that itself: its counters, its logger and standard error do, with its size as found. */
function tell({ registry, logger, emergency, clock }: Settings, dir: string, origin: string, failure: RolledBackError): void {
  const gone = { waiting: 0, unsynced: 0, lastDurableSeconds: 0, checkpointSize: 0, checkpointSeconds: 0, healthy: false, open: false, openedSeconds: 0, oldestWaitingSeconds: 0, diskFreeBytes: NaN, reserveBytes: NaN };
  const metrics = new AuditMetrics(() => ({ dir, size: failure.size, ...gone }));
  if (registry !== undefined) metrics.attach(registry);
  const alarm = new Alarm(dir, metrics, logger, emergency);
  const unreadable = (): void => undefined;
  const draft = draftOf(failure.event, { prefix: linePrefix(origin), stamps: new Stamps(new Timekeeper(clock), identityJson()), unreadable });
  metrics.emitted(draft.type, draft.severity);
  alarm.lost(draft, failure);
}

/** A folder whose records are gone, and whose checkpoint says what it was called. */
function signedOrigin({ checkpoints }: Settings, folder: string): string | undefined {
  if (checkpoints === undefined) return undefined;
  try {
    const note = readFileIfAny(checkpoints.fs, join(folder, "checkpoint"));
    const origin = note === undefined ? undefined : baseOrigin(peekCheckpoint(note).origin);
    return isOrigin(origin) ? origin : undefined;
  } catch {
    // What is wrong with it is said where it is compared with the trail.
    return undefined;
  }
}
