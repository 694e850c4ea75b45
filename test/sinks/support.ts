/** What the tests of the sinks share. */
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Registry } from "prom-client";

export const STREAM = "model-loader-audit";

/** Waits until `holds` is true; throws what is still wrong after `ms`. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string, ms = 15_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(20);
  }
}

export async function metricOf(registry: Registry, name: string, sink: string): Promise<number | undefined> {
  const { values } = (await registry.getSingleMetric(`model_loader_audit_sink_${name}`)?.get()) ?? { values: [] };
  return values.find(({ labels }) => (labels as Record<string, unknown>)["sink"] === sink)?.value;
}

/** Every message of the stream, in its order. */
export async function streamLines(client: NatsConnection): Promise<string[]> {
  const { state } = await (await jetstreamManager(client)).streams.info(STREAM);
  if (state.messages === 0) return [];
  const consumer = await jetstream(client).consumers.get(STREAM);
  const lines: string[] = [];
  for await (const message of await consumer.consume()) {
    lines.push(message.string());
    if (message.info.pending === 0) break;
  }
  return lines;
}
