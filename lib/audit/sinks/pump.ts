/**
 * Brings a trail to one sink: in order, each record at least once, at the sink's own pace. What the sink lacks is read from the
 * local log, so that an outage of any length costs no memory and loses nothing.
 */
import { trailLines } from "../records.ts";
import type { TrailLine } from "../records.ts";
import type { DurableRecord } from "../follower.ts";
import { Backoff } from "./backoff.ts";
import { Cursor } from "./cursor.ts";
import type { Connection, Destination, HeldRecord } from "./destination.ts";
import { Disagreement } from "./disagreement.ts";
import { Episode } from "./episode.ts";
import { Recent } from "./recent.ts";
import { Signal } from "./signal.ts";
import type { SinkFollower, SinkTrail } from "./sink.ts";

export interface PumpOptions {
  readonly name: string;
  readonly destination: Destination;
  /** How long closing waits for what is still to be delivered, in milliseconds. */
  readonly closeMs: number;
}

export class Pump implements SinkFollower {
  readonly #options: PumpOptions;
  readonly #trail: SinkTrail;
  readonly #recent = new Recent();
  readonly #backoff = new Backoff();
  readonly #cursor: Cursor;
  readonly #episode: Episode;
  readonly #poked = new Signal();
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  /** Records of the trail that are durable. */
  #durable = 0;
  /** The first record that is not acknowledged. */
  #next = 0;
  /** The first record that is still to be sent on this connection. */
  #unsent = 0;
  /** What was durable when the connection was made: with that the outage is over. */
  #owed = 0;
  #closing = false;
  sound = true;

  constructor(options: PumpOptions, trail: SinkTrail) {
    this.#options = options;
    this.#trail = trail;
    this.#cursor = new Cursor(trail.dir, options.name);
    this.#next = (this.#cursor.last?.seq ?? -1) + 1;
    this.#episode = new Episode(options.name, trail);
  }

  durable(records: readonly DurableRecord[]): void {
    this.#recent.add(records);
    this.#durable = (records.at(-1)?.seq ?? this.#durable - 1) + 1;
    this.#measure();
    this.#poked.give();
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#poked.give();
    const late = setTimeout(() => { this.#abort.abort(); this.#poked.give(); }, this.#options.closeMs);
    await this.#running;
    clearTimeout(late);
    this.#leave();
  }

  closeSync(): void {
    this.#closing = true;
    this.#abort.abort();
    this.#leave();
  }

  /** Ends when the trail is closed or proved false; never rejects. */
  async #run(): Promise<void> {
    while (this.#mayGoOn()) {
      try {
        await this.#session();
        if (this.#mayGoOn() && this.#lag === 0) await this.#poked.taken(undefined);
      } catch (failure) {
        if (this.#abort.signal.aborted) return;
        this.#failed(failure);
        // While closing too: its time is bounded, and a sink that stumbles may come back within it.
        await this.#poked.taken(this.#backoff.nextMs(), () => this.#closing);
      }
    }
  }

  /** One connection, until there is nothing to do for a while. */
  async #session(): Promise<void> {
    const { destination } = this.#options;
    const connection = await destination.connect(this.#trail.origin, this.#abort.signal);
    const over = new AbortController();
    try {
      await this.#agree(connection);
      await Promise.race([this.#deliver(connection), this.#broken(connection, over.signal)]);
    } finally {
      over.abort();
      await connection.close();
    }
  }

  /** Rejects when the connection is gone, or when closing has no more time. */
  #broken({ lost }: Connection, over: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      void lost.then((why) => { reject(why instanceof Error ? why : new Error("the connection was closed")); });
      this.#abort.signal.addEventListener("abort", () => { reject(new Error("there was no time to deliver all")); }, { once: true, signal: over });
    });
  }

  async #deliver(connection: Connection): Promise<void> {
    for (;;) {
      for await (const lines of this.#due()) {
        this.#unsent = (lines.at(-1)?.seq ?? this.#unsent - 1) + 1;
        await connection.deliver(lines, (last) => { this.#acknowledged(last); });
      }
      const more = !this.#closing && (await this.#poked.taken(this.#options.destination.idleMs));
      if (more || this.#unsent < this.#durable) continue;
      await connection.finish();
      return;
    }
  }

  /** What is to be sent, until there is no more. */
  async *#due(): AsyncGenerator<TrailLine[]> {
    while (this.#unsent < this.#durable) {
      const lines = this.#recent.from(this.#unsent);
      if (lines === undefined) yield* this.#fromLog();
      else yield lines;
    }
  }

  /** Only what is durable: the log's end may hold records that no sync has covered yet. */
  async *#fromLog(): AsyncGenerator<TrailLine[]> {
    const begun = this.#unsent;
    for await (const lines of trailLines(this.#trail.dir, begun)) {
      const due = lines.filter(({ seq }) => seq < this.#durable);
      if (due.length > 0) yield due;
      if (this.#unsent >= this.#durable || this.#recent.from(this.#unsent) !== undefined) return;
    }
    if (this.#unsent === begun) throw new Error(`record ${begun} is durable, but the log does not hold it`);
  }

  #acknowledged(last: HeldRecord): void {
    this.#next = last.seq + 1;
    this.#recent.forget(this.#next);
    this.#backoff.worked();
    this.#trail.meter.acknowledged();
    this.#measure();
    this.#endEpisode();
    this.#cursor.moved(last).catch((failure: unknown) => { this.#notKept(failure); });
  }

  /** Where to go on: the other side knows best, and what it knows must be what this trail holds. */
  async #agree({ held }: Connection): Promise<void> {
    const told = held !== "untold";
    const last = told ? held : this.#cursor.last;
    const before = this.#next;
    if (last !== undefined) await this.#compare(last);
    this.#next = this.#unsent = (last?.seq ?? -1) + 1;
    this.#owed = this.#durable;
    this.#measure();
    this.#endEpisode();
    if (told && this.#next < before) this.#forgotten(before);
  }

  #endEpisode(): void {
    if (this.#next >= this.#owed) this.#episode.over(this.#next);
  }

  async #compare({ seq, leaf }: HeldRecord): Promise<void> {
    const { name } = this.#options;
    if (seq >= this.#durable) {
      const message = `${name} holds record ${seq} of this trail, which has ${this.#durable} records only: its end was cut off, or an old copy was put back`;
      throw new Disagreement("LOCAL_SHORTER", seq, message);
    }
    const own = await this.#leafOf(seq);
    if (own === undefined || own === leaf) return;
    throw new Disagreement("LOCAL_FORKED", seq, `${name} holds another record ${seq} than this trail: one of them was written anew`);
  }

  /** Undefined where retention has taken the record. */
  async #leafOf(seq: number): Promise<string | undefined> {
    const recent = this.#recent.from(seq)?.[0];
    if (recent !== undefined) return recent.leaf;
    for await (const lines of trailLines(this.#trail.dir, seq)) {
      const [line] = lines;
      if (line !== undefined) return line.seq === seq ? line.leaf : undefined;
    }
    return undefined;
  }

  #forgotten(before: number): void {
    const lost = `the audit sink ${this.#options.name} lost records ${this.#next} to ${before - 1}, which it had acknowledged; they are sent again`;
    this.#trail.warn(new Error(lost), lost);
  }

  #failed(failure: unknown): void {
    this.#trail.meter.failed();
    if (failure instanceof Disagreement) this.#proved(failure);
    else this.#episode.failed(failure, this.#next);
  }

  /** Nothing is sent any more: the other side's copy is the evidence. */
  #proved(failure: Disagreement): void {
    this.sound = false;
    this.#trail.warn(failure, failure.message);
    this.#trail.record({
      type: "AuditRollbackDetected", outcome: "failed", action: "audit.sink", reason: failure.reason,
      details: { sink: this.#options.name, sinkSeq: failure.seq, foundSize: this.#durable, message: failure.message },
    });
  }

  #leave(): void {
    try {
      this.#cursor.saveSync();
    } catch (failure) {
      this.#notKept(failure);
    }
    if (this.#lag === 0) return;
    const left = `${this.#lag} records were not delivered to the audit sink ${this.#options.name}; the next run delivers them`;
    this.#trail.warn(new Error(left), left);
  }

  /** Without its cursor a sink gets records twice; that is no reason to stop. */
  #notKept(failure: unknown): void {
    this.#trail.warn(failure, `the cursor of the audit sink ${this.#options.name} could not be saved`);
  }

  #mayGoOn(): boolean {
    return this.sound && !this.#abort.signal.aborted && !(this.#closing && this.#lag === 0);
  }

  get #lag(): number {
    return Math.max(0, this.#durable - this.#next);
  }

  #measure(): void {
    this.#trail.meter.behind(this.#lag);
  }
}
