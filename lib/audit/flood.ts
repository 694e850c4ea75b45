/**
 * Floods of like refusals. The first ones of a window are recorded one by one; those that follow stand together in a summary, a few
 * of which are written each second, so that neither a retry loop nor an attacker can fill the disk.
 *
 * Only what was denied or failed is ever summarised; an allowed load never is. Three counters decide, from narrow to wide:
 * - equal: the same type, severity, outcome, action, reason, actor and target, as they stand in the record;
 * - sameActor: the same but for the target: somebody who tries one path after the other;
 * - sameKind: the same but for actor and target: somebody who changes names as well.
 * An event that one counter turns away leaves the others as they are, so a flood of one thing does not use up the room of others.
 *
 * A summarised event is as durable as any other when its promise resolves: it waits for its summary, and gets its receipt. The
 * summary's digest is chained over the texts of its events: h0 is 32 zero bytes, h(i) = SHA-256(h(i-1) || text(i)), where the text is
 * the event as an emergency line would show it.
 */
import { hash } from "node:crypto";
import { parseRecord } from "./envelope.ts";
import { unescapeText } from "./escape.ts";
import type { AuditEvent, AuditTarget } from "./events.ts";
import type { AuditReceipt } from "./pending.ts";
import type { Draft, Likeness } from "./record.ts";

/** How much of a flood is recorded one by one, in each window. */
export interface FloodLimits {
  /** Default 100. */
  readonly equal?: number;
  /** Default 1,000. */
  readonly sameActor?: number;
  /** Default 5,000. */
  readonly sameKind?: number;
  /** Default 60. */
  readonly windowSeconds?: number;
  /** How long a summarised event waits for its summary. Default 250. */
  readonly summaryMs?: number;
}

export type FloodSettings = Required<FloodLimits>;

/** Reasons are a closed set; where a host makes them up, those beyond this many share a counter. */
const KINDS_MAX = 256;
const DISTINCT_MAX = 1_000;
const SAMPLES_MAX = 4;

export interface FloodOptions {
  /** Undefined: everything is recorded one by one. */
  readonly settings: FloodSettings | undefined;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Records a summary that stands for `count` events of the draft's severity. */
  readonly write: (summary: AuditEvent, first: Draft, count: number) => Promise<AuditReceipt>;
  readonly suppressed: (draft: Draft) => void;
}

export class Flood {
  readonly #options: FloodOptions;
  readonly #counts = { equal: new Map<string, number>(), sameActor: new Map<string, number>(), sameKind: new Map<string, number>() };
  readonly #groups = new Map<string, Group>();
  #windowEnd = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FloodOptions) {
    this.#options = options;
  }

  /** Counts the event. False where it is one too many. */
  admits({ likeness }: Draft): boolean {
    const { settings } = this.#options;
    if (likeness === undefined || settings === undefined) return true;
    this.#turnWindow(settings.windowSeconds * 1000);
    const kind = this.#kindOf(likeness);
    const { equal, sameActor, sameKind } = this.#counts;
    const seen = [equal.get(likeness.equal) ?? 0, sameActor.get(likeness.sameActor) ?? 0, sameKind.get(kind) ?? 0] as const;
    if (seen[0] >= settings.equal || seen[1] >= settings.sameActor || seen[2] >= settings.sameKind) return false;
    equal.set(likeness.equal, seen[0] + 1);
    sameActor.set(likeness.sameActor, seen[1] + 1);
    sameKind.set(kind, seen[2] + 1);
    return true;
  }

  /** Resolves when the summary that covers the event is durable. */
  suppress(draft: Draft): Promise<AuditReceipt> {
    this.#options.suppressed(draft);
    const key = this.#kindOf(draft.likeness ?? NOBODY);
    let group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, group = new Group(draft));
    group.add(draft);
    // A caller waits for it: the process stays alive until then.
    this.#timer ??= setTimeout(() => { this.end(); }, this.#options.settings?.summaryMs ?? 0);
    return group.receipt;
  }

  /** Writes the summaries of all that waits. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const groups = [...this.#groups.values()];
    this.#groups.clear();
    for (const group of groups) group.settle(this.#options.write(group.summary(), group.first, group.count));
  }

  #turnWindow(ms: number): void {
    const now = this.#options.now();
    if (now < this.#windowEnd) return;
    this.#windowEnd = now + ms;
    for (const counts of Object.values(this.#counts)) counts.clear();
  }

  #kindOf({ sameKind, type }: Likeness): string {
    const { size } = this.#counts.sameKind;
    return size < KINDS_MAX || this.#counts.sameKind.has(sameKind) ? sameKind : type;
  }
}

const NOBODY: Likeness = { equal: "", sameActor: "", sameKind: "", type: "" };

/** Events of one kind that wait for their summary. */
class Group {
  readonly first: Draft;
  readonly receipt: Promise<AuditReceipt>;
  settle: (outcome: Promise<AuditReceipt>) => void = () => undefined;
  count = 0;
  #last: Draft;
  #digest: Buffer = Buffer.alloc(32);
  /** By likeness, one of each. */
  readonly #distinct = new Map<string, Draft>();

  constructor(first: Draft) {
    this.first = first;
    this.#last = first;
    this.receipt = new Promise((resolve) => { this.settle = resolve; });
  }

  add(draft: Draft): void {
    this.count += 1;
    this.#last = draft;
    this.#digest = hash("sha256", Buffer.concat([this.#digest, Buffer.from(draft.event(), "latin1")]), "buffer");
    const key = draft.likeness?.equal ?? "";
    if (this.#distinct.size < DISTINCT_MAX && !this.#distinct.has(key)) this.#distinct.set(key, draft);
  }

  summary(): AuditEvent {
    const subjects = [...this.#distinct.values()].slice(0, SAMPLES_MAX).map(subjectOf);
    const [one] = subjects;
    const { type, severity } = this.first;
    const alone = this.#distinct.size === 1;
    const sameActor = new Set([...this.#distinct.values()].map(({ likeness }) => likeness?.sameActor)).size === 1;
    return {
      type: "AuditEventsSuppressed",
      severity: severity === "CRITICAL" ? "CRITICAL" : "HIGH",
      outcome: "info",
      action: "audit.suppress",
      ...(one?.reason === undefined ? {} : { reason: one.reason }),
      ...(sameActor && one?.actor !== undefined ? { actor: one.actor } : {}),
      ...(alone && one?.target !== undefined ? { target: one.target } : {}),
      details: {
        type, severity,
        count: this.count,
        first: subjectOf(this.first).time,
        last: subjectOf(this.#last).time,
        sha256: this.#digest.toString("hex"),
        distinct: this.#distinct.size,
        ...(alone ? {} : samples(subjects)),
      },
    };
  }
}

interface Subject {
  readonly time: string;
  readonly reason: string | undefined;
  readonly actor: string | undefined;
  readonly target: AuditTarget | undefined;
}

/** What the record would have said; read back from its text, because the event itself may be hostile. */
function subjectOf(draft: Draft): Subject {
  const record = parseRecord(draft.event()) ?? {};
  const { path } = (record["target"] ?? {}) as Record<string, unknown>;
  const target = textOf(path);
  return { time: String(record["time"]), reason: textOf(record["reason"]), actor: textOf(record["actor"]), target: target === undefined ? undefined : { path: target } };
}

/** As it was before it was escaped; of long text the beginning. */
function textOf(value: unknown): string | undefined {
  const text = typeof value === "object" && value !== null ? (value as Record<string, unknown>)["text"] : value;
  return typeof text === "string" ? unescapeText(text) : undefined;
}

function samples(subjects: readonly Subject[]): Record<`sample${1 | 2 | 3 | 4}`, string | undefined> {
  const [sample1, sample2, sample3, sample4] = subjects.map(({ actor, target }) => `${actor ?? "-"} ${String(target?.path ?? "-")}`);
  return { sample1, sample2, sample3, sample4 };
}
