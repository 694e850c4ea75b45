/** All sinks of one trail. */
import type { Registry } from "prom-client";
import { SinkMeter } from "./metrics.ts";
import type { AuditSink, MakeFollower, SinkFollower, SinkTrail } from "./sink.ts";

export interface PreparedSink {
  readonly name: string;
  readonly make: MakeFollower;
}

/** Rejects where a sink's package is missing. */
export function prepareSinks(sinks: readonly AuditSink[]): Promise<PreparedSink[]> {
  return Promise.all(sinks.map(async (sink) => ({ name: sink.name, make: await sink.prepare() })));
}

export class Sinks {
  readonly followers: readonly SinkFollower[];
  readonly #meters: readonly SinkMeter[];

  constructor(prepared: readonly PreparedSink[], trail: Omit<SinkTrail, "meter">) {
    const made = prepared.map(({ name, make }) => {
      const meter = new SinkMeter(name);
      return { meter, follower: make({ ...trail, meter }) };
    });
    this.#meters = made.map(({ meter }) => meter);
    this.followers = made.map(({ follower }) => follower);
  }

  /** False once a sink proved that the trail was rolled back. */
  get sound(): boolean {
    return this.followers.every(({ sound }) => sound);
  }

  attach(registry: Registry): void {
    for (const meter of this.#meters) meter.attach(registry);
  }
}
