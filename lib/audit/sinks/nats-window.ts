/**
 * Publishes many records at a time and still in order: of a burst that is torn only its beginning is stored, never a part behind a gap.
 *
 * A message on its own names the message before it under its subject; the server refuses it where another stands there. In a
 * burst that number is not known yet, so each message claims a place in the stream: it must come directly behind the one before it
 * in the burst. Where another host's message comes between, the rest of the burst is refused; it is sent again, in smaller bursts.
 * (The subject's sequence alone would not do: a later message's guess can come true when an earlier one's did not.)
 */
import type { JetStreamClient, PubAck } from "@nats-io/jetstream";
import type { TrailLine } from "../records.ts";
import type { HeldRecord } from "./destination.ts";

export interface WindowOptions {
  readonly client: JetStreamClient;
  readonly stream: string;
  readonly subject: string;
  readonly inFlightMax: number;
  readonly timeoutMs: number;
  /** The stream's number of the last message under our subject, 0 where there is none. */
  readonly last: number;
  /** The stream's last number. */
  readonly tail: number;
  readonly isWrongSequence: (failure: unknown) => boolean;
}

export class PublishWindow {
  readonly #options: WindowOptions;
  #last: number;
  #tail: number;
  #size: number;

  constructor(options: WindowOptions) {
    this.#options = options;
    this.#last = options.last;
    this.#tail = options.tail;
    this.#size = options.inFlightMax;
  }

  async deliver(lines: readonly TrailLine[], acknowledged: (last: HeldRecord) => void): Promise<void> {
    for (let at = 0; at < lines.length;) {
      const burst = lines.slice(at, at + this.#size);
      const stored = await this.#publish(burst, acknowledged);
      at += stored;
      this.#size = stored === burst.length ? Math.min(this.#options.inFlightMax, this.#size * 2) : Math.max(1, stored >> 1);
    }
  }

  /** How many of the burst were stored, from its beginning. */
  async #publish(burst: readonly TrailLine[], acknowledged: (last: HeldRecord) => void): Promise<number> {
    const settled = await Promise.allSettled(burst.map((line, i) => this.#send(line, this.#expected(i, burst.length))));
    for (const [i, result] of settled.entries()) {
      const line = burst[i];
      if (result.status === "rejected") return this.#stop(result.reason, i, burst.length);
      this.#last = result.value.seq;
      this.#tail = Math.max(this.#tail, result.value.seq);
      if (line !== undefined) acknowledged(line);
    }
    return burst.length;
  }

  #expected(i: number, count: number): Expected {
    if (count === 1) return { lastSubjectSequence: this.#last };
    return { lastSequence: this.#tail + i, lastSubjectSequence: i === 0 ? this.#last : this.#tail + i };
  }

  /** A message on its own guesses nothing: if it is refused, somebody else has written under our subject. */
  #stop(failure: unknown, stored: number, count: number): number {
    if (count > 1 && this.#options.isWrongSequence(failure)) return stored;
    throw failure;
  }

  /** The leaf hash as id: a second writing of a record is dropped, another record of the same number is not taken for it. */
  #send({ text, leaf }: TrailLine, expected: Expected): Promise<PubAck> {
    const { client, subject, stream, timeoutMs } = this.#options;
    const expect = { streamName: stream, ...expected };
    return client.publish(subject, Buffer.from(text, "latin1"), { msgID: leaf, timeout: timeoutMs, expect });
  }
}

interface Expected {
  readonly lastSubjectSequence: number;
  readonly lastSequence?: number;
}
