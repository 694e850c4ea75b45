/** What the operator sees of the sinks. Every configured sink stands in each metric from the beginning. */
import { Counter, Gauge } from "prom-client";
import type { Registry } from "prom-client";
import { oncePerRegistry } from "../../registry.ts";

const PREFIX = "model_loader_audit_sink_";

interface Family {
  readonly failures: Counter<"sink">;
  readonly meters: Set<SinkMeter>;
}

const familyOf = oncePerRegistry(makeFamily);

/** The figures of one sink of one trail. */
export class SinkMeter {
  readonly sink: string;
  readonly #attached = new Set<Family>();
  #failures = 0;
  #lag = 0;
  #ackSeconds = 0;

  constructor(sink: string) {
    this.sink = sink;
  }

  get lag(): number {
    return this.#lag;
  }

  get ackSeconds(): number {
    return this.#ackSeconds;
  }

  /** Attaching the same registry again does nothing. */
  attach(registry: Registry): void {
    const family = familyOf(registry);
    if (this.#attached.has(family)) return;
    this.#attached.add(family);
    family.meters.add(this);
    family.failures.inc({ sink: this.sink }, this.#failures);
  }

  failed(): void {
    this.#failures += 1;
    for (const { failures } of this.#attached) failures.inc({ sink: this.sink });
  }

  /** Records that are durable here and not yet acknowledged there. */
  behind(records: number): void {
    this.#lag = records;
  }

  acknowledged(): void {
    this.#ackSeconds = Date.now() / 1000;
  }
}

function makeFamily(registry: Registry): Family {
  const meters = new Set<SinkMeter>();
  const help = "Tries to reach a sink, or to deliver to it, that failed.";
  const failures = new Counter({ name: `${PREFIX}failures_total`, help, labelNames: ["sink"], registers: [registry] });
  gauge(registry, "lag_records", "Records that are durable here and not yet acknowledged there.", meters, (all) => sum(all.map(({ lag }) => lag)));
  gauge(registry, "last_ack_timestamp_seconds", "When the sink acknowledged a record last; 0 before the first of this run.", meters,
    (all) => Math.min(...all.map(({ ackSeconds }) => ackSeconds)));
  return { failures, meters };
}

/** Several trails may have sinks of one name. */
function gauge(registry: Registry, name: string, help: string, meters: ReadonlySet<SinkMeter>, read: (all: SinkMeter[]) => number): void {
  registry.registerMetric(new Gauge({
    name: PREFIX + name, help, labelNames: ["sink"], registers: [],
    collect() {
      for (const sink of new Set([...meters].map((meter) => meter.sink))) this.set({ sink }, read([...meters].filter((meter) => meter.sink === sink)));
    },
  }));
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
