/** A loader over a folder of its own, its audit trail and its metrics, gone when the test is. */
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "prom-client";
import { onTestFinished } from "vitest";
import { AuditLog, ModelLoader, ModelLoadError } from "../../lib/index.ts";
import type { LoaderOptions } from "../../lib/index.ts";

export interface Gate {
  readonly folder: string;
  readonly root: string;
  readonly auditDir: string;
  readonly audit: AuditLog;
  readonly loader: ModelLoader;
  readonly registry: Registry;
  /** The trail's records so far, parsed. */
  readonly records: () => Promise<AuditRecord[]>;
  readonly metric: (name: string, labels?: Record<string, string>) => Promise<number>;
}

export interface AuditRecord {
  readonly seq: number;
  readonly type: string;
  readonly sev: string;
  readonly outcome: string;
  readonly action: string;
  readonly reason?: string;
  readonly actor?: unknown;
  readonly corr?: unknown;
  readonly trace?: unknown;
  readonly target?: Record<string, unknown>;
  readonly details?: Record<string, unknown>;
}

/** A folder that is removed after the test. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "model-loader-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

export async function gate(options: Partial<LoaderOptions> = {}): Promise<Gate> {
  const home = await folder();
  const root = join(home, "models");
  const auditDir = join(home, "audit");
  await mkdir(root);
  const audit = await AuditLog.open(auditDir);
  const registry = new Registry();
  const loader = await ModelLoader.open({ root, audit, registry, ...options });
  onTestFinished(async () => {
    await loader[Symbol.asyncDispose]().catch(() => undefined);
    await audit[Symbol.asyncDispose]().catch(() => undefined);
  });
  return {
    folder: home, root, auditDir, audit, loader, registry,
    records: () => recordsOf(auditDir),
    metric: (name, labels = {}) => metricOf(registry, name, labels),
  };
}

/** Everything that stands in a trail, in order. */
export async function recordsOf(auditDir: string): Promise<AuditRecord[]> {
  const log = join(auditDir, "log");
  const segments = (await readdir(log)).filter((name) => name.endsWith(".jsonl")).sort();
  const texts = await Promise.all(segments.map((name) => readFile(join(log, name), "utf8")));
  return texts.join("").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as AuditRecord);
}

async function metricOf(registry: Registry, name: string, labels: Record<string, string>): Promise<number> {
  const metric = registry.getSingleMetric(name);
  if (metric === undefined) throw new Error(`no metric ${name}`);
  const { values } = await metric.get();
  const wanted = Object.entries(labels);
  const found = values.filter((value) => wanted.every(([key, label]) => (value.labels as Record<string, unknown>)[key] === label));
  if (found.length === 0) throw new Error(`no value of ${name} with ${JSON.stringify(labels)}`);
  return found.reduce((sum, value) => sum + value.value, 0);
}

/** The refusal that a call ends with. */
export async function refusal(call: Promise<unknown>): Promise<ModelLoadError> {
  const failure = await call.then(() => new Error("the call was not refused"), (error: unknown) => error);
  if (failure instanceof ModelLoadError) return failure;
  throw failure;
}
