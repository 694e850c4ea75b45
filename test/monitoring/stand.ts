/** Two hosts, one of them with models in GPU memory, the real Prometheus with the shipped rules, the real Alertmanager, and somebody who is told. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Child } from "./child.ts";
import { startGpuHost } from "./gpu-host.ts";
import { Host } from "./host.ts";
import { serve } from "./serve.ts";
import { RULES } from "./shipped.ts";
import type { Tools } from "./tools.ts";

export interface Alert {
  readonly status: "firing" | "resolved";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface Stand extends AsyncDisposable {
  readonly host: Host;
  /** `host:port` of both. */
  readonly addresses: readonly string[];
  /** What the webhook was sent so far. */
  readonly alerts: readonly Alert[];
  /** An answer of Prometheus's HTTP API; throws what it says is wrong. */
  readonly ask: <T>(path: string, parameters?: Readonly<Record<string, string>>) => Promise<T>;
}

export async function standUp(tools: Tools): Promise<Stand> {
  const built: AsyncDisposable[] = [];
  const keep = <T extends AsyncDisposable>(part: T): T => { built.unshift(part); return part; };
  const down = async (): Promise<void> => { for (const part of built.splice(0)) await part[Symbol.asyncDispose](); };
  try {
    const host = keep(await Host.open());
    const gpuHost = keep(await startGpuHost(host.folder));
    const addresses = [host.address, new URL(gpuHost.url).host];
    const alerts: Alert[] = [];
    const webhook = keep(await serve(async (request, response) => {
      const bodies = await request.setEncoding("utf8").toArray() as string[];
      alerts.push(...(JSON.parse(bodies.join("")) as { alerts: Alert[] }).alerts);
      response.end();
    }));
    const alertmanager = keep(await startAlertmanager(tools, host.folder, webhook.url));
    const prometheus = keep(await startPrometheus(tools, { folder: host.folder, addresses, alertmanager: alertmanager.url }));
    return { host, addresses, alerts, ask: (path, parameters) => ask(prometheus.url, path, parameters), [Symbol.asyncDispose]: down };
  } catch (failure) {
    await down();
    throw failure;
  }
}

async function startAlertmanager({ alertmanager }: Tools, folder: string, webhook: string): Promise<Child> {
  const config = join(folder, "alertmanager.json");
  await writeFile(config, JSON.stringify({
    route: { receiver: "webhook", group_by: ["..."], group_wait: "0s", group_interval: "1s" },
    receivers: [{ name: "webhook", webhook_configs: [{ url: webhook }] }],
  }));
  return Child.start([
    ...alertmanager, `--config.file=${config}`, `--storage.path=${join(folder, "alertmanager")}`,
    "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=",
  ]);
}

interface Scraping {
  readonly folder: string;
  readonly addresses: readonly string[];
  readonly alertmanager: string;
}

async function startPrometheus({ prometheus }: Tools, { folder, addresses, alertmanager }: Scraping): Promise<Child> {
  const config = join(folder, "prometheus.json");
  await writeFile(config, JSON.stringify({
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: [RULES],
    scrape_configs: [{ job_name: "model-loader", static_configs: [{ targets: addresses }] }],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [new URL(alertmanager).host] }] }] },
  }));
  return Child.start([
    ...prometheus, `--config.file=${config}`, `--storage.tsdb.path=${join(folder, "prometheus")}`, "--web.listen-address=127.0.0.1:0",
  ]);
}

async function ask<T>(url: string, path: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> {
  const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
  return (JSON.parse(text) as { data: T }).data;
}
