/**
 * The trail's tree as it grows: leaves of durable records in, tiles and signed checkpoints out.
 *
 * The trail never waits for it. A commit only notes the leaf hashes; they are hashed into the tree at the end of the turn, and
 * checkpoints are written on the thread pool, one at a time. What fails is counted, logged and tried again at the next interval;
 * the trail's lines are all that is needed to make up for it, so leaves are let go rather than kept without bound.
 */
import type { CosignatureVerifier } from "../tlog/cosignature.ts";
import { TlogError } from "../tlog/errors.ts";
import { isBy, parseNote } from "../tlog/note.ts";
import type { NoteSignature } from "../tlog/note.ts";
import type { Published, Publisher } from "../tlog/publisher.ts";
import { Witness } from "../tlog/witness.ts";
import type { CheckpointSettings } from "./checkpoint-options.ts";
import { AuditWriteError } from "./errors.ts";
import type { DurableRecord, Follower } from "./follower.ts";
import type { StartedTree } from "./tree-start.ts";

/** Hashed at once: a tenth of a millisecond. */
const BATCH = 128;
/** The next checkpoint is not signed before the witnesses have answered about this one, but it waits no longer than this. */
const WITNESS_MS = 5_000;
/** A host that shuts down waits less. */
const WITNESS_AT_CLOSE_MS = 2_000;

export interface PublishedTreeOptions {
  readonly settings: CheckpointSettings;
  readonly started: StartedTree;
  /** Durable records at the start. */
  readonly size: number;
  /** Opens the tree anew, with that many durable records; `rebuild`: from them alone, because the tiles are damaged. */
  readonly restart: (size: number, rebuild: boolean) => Promise<StartedTree>;
  readonly published: (checkpoint: Published) => void;
  readonly failed: (failure: unknown) => void;
  readonly witnessFailed: (failure: unknown) => void;
}

/** Not a witness's failure: it is asked once more, about the last checkpoint. */
const CLOSING = new Error("the audit log is being closed");

interface Asked {
  readonly witness: Witness;
  readonly key: CosignatureVerifier;
}

export class PublishedTree implements Follower {
  readonly #options: PublishedTreeOptions;
  readonly #witnesses: readonly Asked[];
  #publisher: Publisher | undefined;
  /** Leaf hashes that are not in the tree yet. */
  #leaves: string[] = [];
  /** The number of the next durable record. */
  #next: number;
  /** Leaves are kept for a tree that is being opened anew. */
  #restarting = false;
  #tilesDamaged = false;
  /** The trail is not the one that was signed: nothing is signed any more. */
  #givenUp = false;
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;
  /** After a failure only the timer tries again. */
  #failing = false;
  /** A witness did not cosign the last checkpoint. */
  #unwitnessed = false;
  #stopAsking: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #closed = false;
  /** Nothing is signed before a record of this run is durable: the first of them says what was found at the opening. */
  #begun = false;

  constructor(options: PublishedTreeOptions) {
    this.#options = options;
    this.#publisher = options.started.publisher;
    this.#next = options.size;
    this.#witnesses = options.settings.witnesses.map(({ url, key }) => ({ key, witness: new Witness({ url, keys: [key], timeoutMs: WITNESS_MS }) }));
    if (options.started.failure !== undefined) options.failed(options.started.failure);
  }

  /** The last checkpoint that was signed. */
  get published(): Published | undefined {
    return this.#publisher?.published;
  }

  durable(records: readonly DurableRecord[]): void {
    const keep = this.#publisher !== undefined || this.#restarting;
    for (const { seq, leaf } of records) {
      // The trail tells each record once; a leaf that came twice would put all later ones in wrong places.
      if (seq < this.#next) continue;
      if (keep) this.#leaves.push(leaf);
      this.#next = seq + 1;
    }
    this.#begun = true;
    this.#arm();
    if (!this.#scheduled && (this.#leaves.length >= BATCH || this.#isFull)) this.#schedule();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stopAsking();
    await this.#running;
    if (this.#begun) await this.#publish(WITNESS_AT_CLOSE_MS);
    this.#publisher?.stop();
  }

  closeSync(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stopAsking();
    try {
      this.#grow();
      const published = this.#begun ? this.#publisher?.publishSync() : undefined;
      if (published !== undefined) this.#options.published(published);
    } catch (failure) {
      this.#options.failed(failure);
    }
    this.#publisher?.stop();
  }

  /** Durable records that no checkpoint covers. */
  get #uncovered(): number {
    return this.#next - (this.#publisher?.published?.size ?? 0);
  }

  get #isFull(): boolean {
    return this.#uncovered >= this.#options.settings.everyRecords && this.#running === undefined && !this.#failing && this.#publisher !== undefined;
  }

  #schedule(): void {
    this.#scheduled = true;
    setImmediate(() => { this.#turn(); }).unref();
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    try {
      this.#grow();
    } catch (failure) {
      this.#giveWay(failure);
    }
    if (this.#isFull) this.#begin();
  }

  /** Hashes what came into the tree. */
  #grow(): void {
    if (this.#publisher === undefined) return;
    const leaves = Buffer.from(this.#leaves.join(""), "hex");
    this.#leaves = [];
    this.#publisher.append(leaves);
  }

  /** Unreferenced: a process is never kept alive for a checkpoint, it signs one at its end. */
  #arm(): void {
    if (this.#timer !== undefined || this.#closed || this.#givenUp) return;
    this.#timer = setTimeout(() => { this.#timeout(); }, this.#options.settings.everySeconds * 1000).unref();
  }

  #timeout(): void {
    this.#timer = undefined;
    this.#failing = false;
    if (this.#running === undefined) this.#begin();
    else this.#arm();
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running = this.#round().finally(() => {
      this.#running = undefined;
      if (this.#uncovered > 0 || this.#unwitnessed) this.#arm();
      if (this.#isFull && !this.#scheduled && !this.#closed) this.#schedule();
    });
  }

  async #round(): Promise<void> {
    if (this.#publisher === undefined) await this.#restart();
    if (this.#publisher !== undefined) await this.#publish(WITNESS_MS);
  }

  async #publish(witnessMs: number): Promise<void> {
    const publisher = this.#publisher;
    if (publisher === undefined) return;
    try {
      this.#grow();
      const published = await publisher.publish();
      this.#options.published(published);
      await this.#askWitnesses(publisher, published, witnessMs);
    } catch (failure) {
      this.#giveWay(failure);
    }
  }

  /** A tree that let go of its tiles, or that its tiles contradict, is made again from the trail. */
  #giveWay(failure: unknown): void {
    this.#failing = true;
    this.#options.failed(failure);
    if (!(failure instanceof TlogError)) return;
    this.#tilesDamaged = failure.code !== "TILES_BEHIND";
    this.#publisher?.stop();
    this.#publisher = undefined;
    this.#leaves = [];
  }

  async #restart(): Promise<void> {
    this.#restarting = true;
    this.#leaves = [];
    try {
      const { publisher, failure } = await this.#options.restart(this.#next, this.#tilesDamaged);
      this.#publisher = publisher;
      if (publisher === undefined) this.#notRestarted(failure);
      else this.#tilesDamaged = false;
    } catch (failure) {
      this.#notRestarted(failure);
    }
    this.#restarting = false;
  }

  #notRestarted(failure: unknown): void {
    this.#failing = true;
    this.#givenUp = failure instanceof AuditWriteError && failure.reason === "rolled_back";
    this.#leaves = [];
    this.#options.failed(failure);
  }

  /** Those whose word is not on it yet. */
  async #askWitnesses(publisher: Publisher, published: Published, ms: number): Promise<void> {
    const { signatures } = parseNote(published.note);
    const missing = this.#witnesses.filter(({ key }) => !signatures.some((one) => isBy(one, key)));
    if (missing.length === 0) return;
    const stop = new AbortController();
    this.#stopAsking = () => { stop.abort(CLOSING); };
    const timer = setTimeout(() => { stop.abort(new TlogError("WITNESS_TIMEOUT", `the witness did not answer within ${ms} ms`)); }, ms).unref();
    const given = await Promise.all(missing.map((asked) => this.#ask(asked, publisher, published, stop.signal)));
    clearTimeout(timer);
    this.#unwitnessed = given.some((some) => some.length === 0);
    if (given.some((some) => some.length > 0)) await publisher.addCosignatures(published, given.flat());
  }

  async #ask({ witness }: Asked, publisher: Publisher, published: Published, signal: AbortSignal): Promise<readonly NoteSignature[]> {
    try {
      return await witness.cosign(published.note, publisher.tiles, signal);
    } catch (failure) {
      if (failure !== CLOSING) this.#options.witnessFailed(failure);
      return [];
    }
  }
}
