import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { EMIT_FAILURE_REASONS } from "../../lib/audit/errors.ts";
import { EVENT_TYPES } from "../../lib/audit/events.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import { readFileSync, writeFileSync } from "node:fs";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { brokenFs, denial, loaded, newFolder, openLog, segmentsOf, systemError, writtenTrail } from "./support.ts";
import { NODE_FS } from "../../lib/audit/files.ts";

async function valuesOf(registry: Registry, name: string): Promise<Map<string, number>> {
  const metric = registry.getSingleMetric(`model_loader_audit_${name}`);
  const { values } = (await metric?.get()) ?? { values: [] };
  return new Map(values.map(({ labels, value }) => [Object.values(labels).join(" "), value]));
}

const total = async (registry: Registry, name: string): Promise<number> => [...(await valuesOf(registry, name)).values()].reduce((a, b) => a + b, 0);
const value = async (registry: Registry, name: string, labels = ""): Promise<number | undefined> => (await valuesOf(registry, name)).get(labels);

describe("the names that operators were promised", () => {
  test("are all there from the start, with every combination of labels at 0", async () => {
    const registry = new Registry();
    await openLog(newFolder(), { registry });
    expect(registry.getMetricsAsArray().map(({ name }) => name).sort()).toEqual([
      "checkpoint_failures_total", "critical_emit_failures_total", "disk_free_bytes", "emit_failures_total", "emits_total",
      "events_suppressed_total", "flush_duration_seconds", "flush_failures_total", "healthy", "last_checkpoint_size",
      "last_checkpoint_timestamp_seconds", "last_durable_timestamp_seconds", "log_size", "oldest_waiting_seconds",
      "opened_timestamp_seconds", "queue_depth", "reserve_bytes", "unsynced_events", "verify_total", "witness_failures_total",
    ].map((name) => `model_loader_audit_${name}`));
    expect((await valuesOf(registry, "emits_total")).size).toBe(EVENT_TYPES.length * 3);
    expect((await valuesOf(registry, "emit_failures_total")).size).toBe(EMIT_FAILURE_REASONS.length * 3);
    expect((await valuesOf(registry, "critical_emit_failures_total")).size).toBe(EMIT_FAILURE_REASONS.length);
    for (const name of ["emit_failures_total", "critical_emit_failures_total", "flush_failures_total"]) expect(await total(registry, name)).toBe(0);
    expect(await registry.metrics()).toContain('model_loader_audit_critical_emit_failures_total{reason="enospc"} 0');
  });
});

describe("counting", () => {
  test("events, syncs and the trail's size", async () => {
    const registry = new Registry();
    const log = await openLog(newFolder(), { registry });
    await Promise.all([log.emit(denial()), log.emit(loaded()), log.emit({ ...loaded(), severity: "HIGH" })]);
    expect(await value(registry, "emits_total", "PathTraversalAttempt CRITICAL")).toBe(1);
    expect(await value(registry, "emits_total", "ModelLoaded INFO")).toBe(1);
    expect(await value(registry, "emits_total", "ModelLoaded HIGH")).toBe(1);
    expect(await value(registry, "emits_total", "AuditOpened INFO")).toBe(1);
    expect(await value(registry, "log_size")).toBe(4);
    expect(await value(registry, "healthy")).toBe(1);
    expect(Math.abs(((await value(registry, "last_durable_timestamp_seconds")) ?? 0) - Date.now() / 1000)).toBeLessThan(10);
    expect(await registry.metrics()).toMatch(/model_loader_audit_flush_duration_seconds_count 2\n/);
  });

  test("what waits is seen while it waits", async () => {
    const registry = new Registry();
    const log = await openLog(newFolder(), { registry });
    const receipts = [log.emit(denial()), log.emit(denial())];
    expect(await value(registry, "queue_depth")).toBe(2);
    expect(await value(registry, "unsynced_events")).toBe(2);
    expect(await value(registry, "log_size")).toBe(1);
    await Promise.all(receipts);
    expect(await value(registry, "queue_depth")).toBe(0);
    expect(await value(registry, "unsynced_events")).toBe(0);
  });

  test("a lost CRITICAL event counts as both kinds of failure, a lost INFO event as one", async () => {
    const registry = new Registry();
    let full = false;
    const fs = brokenFs({ writeSync: ((...all: Parameters<typeof NODE_FS.writeSync>) => { if (full) throw systemError("ENOSPC"); return NODE_FS.writeSync(...all); }) as typeof NODE_FS.writeSync });
    const log = await openLog(newFolder(), { registry, fs, reserveBytes: 0 });
    full = true;
    await expect(log.emit(denial())).rejects.toThrow();
    await expect(log.emit(loaded())).rejects.toThrow();
    expect(await value(registry, "emit_failures_total", "CRITICAL enospc")).toBe(1);
    expect(await value(registry, "emit_failures_total", "INFO enospc")).toBe(1);
    expect(await total(registry, "critical_emit_failures_total")).toBe(1);
    expect(await value(registry, "critical_emit_failures_total", "enospc")).toBe(1);
    expect(await value(registry, "healthy")).toBe(0);
    full = false;
    await log.emit(denial());
    expect(await value(registry, "healthy")).toBe(1);
    expect(await total(registry, "emit_failures_total")).toBe(2);
  });

  test("a failed sync counts as a failed flush and as a failure to emit, of the gravest record that waited", async () => {
    const registry = new Registry();
    let failures = 0;
    const fs = brokenFs({ fdatasyncSync: (fd) => { if (failures-- > 0) throw systemError("EIO"); NODE_FS.fdatasyncSync(fd); } });
    const log = await openLog(newFolder(), { registry, fs });
    failures = 1;
    void log.emit(loaded());
    log.emitSync(denial());
    expect(await total(registry, "flush_failures_total")).toBe(1);
    expect(await total(registry, "emit_failures_total")).toBe(1);
    expect(await value(registry, "critical_emit_failures_total", "eio")).toBe(1);
  });

  test("an event after the end counts", async () => {
    const registry = new Registry();
    const log = await AuditLog.open(newFolder(), { registry });
    await log[Symbol.asyncDispose]();
    await expect(log.emit(denial())).rejects.toThrow();
    expect(await value(registry, "critical_emit_failures_total", "closed")).toBe(1);
    expect(await value(registry, "log_size")).toBe(2);
    expect(await value(registry, "healthy")).toBe(1);
  });
});

describe("gauges", () => {
  test("of time go by the logs that are written; a closed one does not drag them along", async () => {
    const registry = new Registry();
    const early = await openLog(newFolder(), { registry, clock: { now: () => 1_000_000, hrtime: () => process.hrtime() } });
    const late = await openLog(newFolder(), { registry });
    expect(await value(registry, "last_durable_timestamp_seconds")).toBe(1_000);
    await early[Symbol.asyncDispose]();
    const now = Date.now() / 1000;
    for (const name of ["last_durable_timestamp_seconds", "opened_timestamp_seconds"]) {
      expect(Math.abs(((await value(registry, name)) ?? 0) - now), name).toBeLessThan(30);
    }
    await late[Symbol.asyncDispose]();
    expect(Math.abs(((await value(registry, "last_durable_timestamp_seconds")) ?? 0) - now)).toBeLessThan(30);
  });

  test("show the disk's free bytes, the reserve, and how long the oldest record waits", async () => {
    const registry = new Registry();
    const dir = newFolder();
    const log = await openLog(dir, { registry });
    const { bavail, bsize } = NODE_FS.statfsSync(dir);
    expect(Math.abs(((await value(registry, "disk_free_bytes")) ?? 0) - bavail * bsize)).toBeLessThan(2 ** 30);
    expect(await value(registry, "reserve_bytes")).toBe(1024 * 1024);
    expect(await value(registry, "oldest_waiting_seconds")).toBe(0);
    const receipt = log.emit(denial());
    const end = performance.now() + 50;
    while (performance.now() < end) continue;
    expect(await value(registry, "oldest_waiting_seconds")).toBeGreaterThan(0.04);
    await receipt;
    expect(await value(registry, "oldest_waiting_seconds")).toBe(0);
    const without = new Registry();
    await openLog(newFolder(), { registry: without, reserveBytes: 0 });
    expect(await value(without, "reserve_bytes")).toBeNaN();
  });

  test("count verifications by how they end", async () => {
    const registry = new Registry();
    const dir = await writtenTrail(3);
    await verifyTrail(dir, { registry });
    const [segment = ""] = segmentsOf(dir);
    writeFileSync(segment, readFileSync(segment, "latin1").replace("ModelLoaded", "ModelLoadee"));
    await verifyTrail(dir, { registry });
    await expect(verifyTrail(newFolder(), { registry })).rejects.toThrow();
    expect(await valuesOf(registry, "verify_total")).toEqual(new Map([["ok", 1], ["damaged", 1], ["unreadable", 1]]));
  });
});

describe("registries", () => {
  test("one that is attached late gets what was counted before, once", async () => {
    const log = await openLog(newFolder());
    await log.emit(denial());
    const registry = new Registry();
    log.attachMetrics(registry);
    log.attachMetrics(registry);
    await log.emit(denial());
    expect(await value(registry, "emits_total", "PathTraversalAttempt CRITICAL")).toBe(2);
    expect(await registry.metrics()).toMatch(/flush_duration_seconds_count 3\n/);
  });

  test("one can be shared by several logs, and one log can have several", async () => {
    const [shared, other] = [new Registry(), new Registry()];
    const logs = await Promise.all([openLog(newFolder(), { registry: shared }), openLog(newFolder(), { registry: shared })]);
    logs[1].attachMetrics(other);
    await Promise.all(logs.map((log) => log.emit(denial())));
    expect(await value(shared, "emits_total", "PathTraversalAttempt CRITICAL")).toBe(2);
    expect(await value(other, "emits_total", "PathTraversalAttempt CRITICAL")).toBe(1);
    expect(await value(shared, "log_size")).toBe(4);
    expect(await value(other, "log_size")).toBe(2);
  });

  test("a folder that is opened again is not counted twice", async () => {
    const registry = new Registry();
    const dir = newFolder();
    for (let i = 0; i < 3; i += 1) {
      const log = await AuditLog.open(dir, { registry });
      await log[Symbol.asyncDispose]();
    }
    expect(await value(registry, "log_size")).toBe(6);
  });
});
