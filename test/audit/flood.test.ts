/** Floods of refusals: what is recorded one by one, what stands in a summary, and that nothing is ever lost from the counts. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { NODE_FS } from "../../lib/audit/files.ts";
import { Flood } from "../../lib/audit/flood.ts";
import type { AuditEvent } from "../../lib/audit/events.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { ModelLoader } from "../../lib/index.ts";
import { brokenFs, death, compiledLibrary, denial, loaded, newFolder, openLog, recordsOf, segmentsOf, startProgram, systemError } from "./support.ts";
import type { AnyRecord } from "./support.ts";

const SMALL = { equal: 5, sameActor: 10, sameKind: 20, summaryMs: 10 };
const summariesOf = (dir: string): AnyRecord[] => recordsOf(dir).filter(({ type }) => type === "AuditEventsSuppressed");
const covered = (dir: string): number => summariesOf(dir).reduce((sum, { details }) => sum + Number(details?.["count"]), 0);
const single = (dir: string, type = "PathTraversalAttempt"): number => recordsOf(dir).filter((record) => record.type === type).length;
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

describe("a flood of equal refusals", () => {
  test("is recorded one by one at first, and then in summaries whose receipt each of them gets", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { flood: SMALL });
    const receipts = await Promise.all(times(50, (i) => log.emit(denial(`c-${i}`))));
    expect(single(dir)).toBe(5);
    const [summary] = summariesOf(dir);
    expect(summariesOf(dir)).toHaveLength(1);
    expect(summary).toMatchObject({
      sev: "CRITICAL", outcome: "info", reason: "PATH_TRAVERSAL", actor: "alice", target: { path: "../../etc/passwd" },
      details: { type: "PathTraversalAttempt", severity: "CRITICAL", count: 45, distinct: 1 },
    });
    expect(receipts.slice(5).every(({ seq }) => seq === summary?.seq)).toBe(true);
    expect(await verifyTrail(dir)).toMatchObject({ ok: true });
  });

  test("has a digest that is chained over the texts of its events, in their order", async () => {
    const texts = ["first", "second", "third"].map((corr) => JSON.stringify({ time: corr, corr }));
    const summaries: AuditEvent[] = [];
    const flood = new Flood({
      settings: { equal: 1, sameActor: 1, sameKind: 1, windowSeconds: 1, summaryMs: 1 },
      now: () => 0,
      suppressed: () => undefined,
      write: (event) => { summaries.push(event); return Promise.resolve({ seq: 7, leafHash: "" }); },
    });
    const likeness = { equal: "e", sameActor: "a", sameKind: "k", type: "t" };
    const receipts = texts.map((text) => flood.suppress({ type: "IntegrityViolation", severity: "CRITICAL", likeness, middle: "", event: () => text }));
    expect(await Promise.all(receipts)).toEqual(times(3, () => ({ seq: 7, leafHash: "" })));
    const sha256 = texts.reduce((before, text) => createHash("sha256").update(before).update(text).digest(), Buffer.alloc(32)).toString("hex");
    expect(summaries).toMatchObject([{ details: { sha256, count: 3, first: "first", last: "third" } }]);
  });

  test("starts anew in the next window", async () => {
    const dir = newFolder();
    let seconds = 1_000;
    const clock = { now: () => Date.now(), hrtime: (): [number, number] => [seconds, 0] };
    const log = await openLog(dir, { flood: { ...SMALL, windowSeconds: 60 }, clock });
    for (let i = 0; i < 2; i += 1) {
      await Promise.all(times(8, () => log.emit(denial())));
      seconds += 61;
    }
    expect(single(dir)).toBe(10);
    expect(covered(dir)).toBe(6);
  });

  test("does not take allowed loads, unloadings or the trail's own records along", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { flood: SMALL });
    await Promise.all(times(50, () => log.emit(loaded())));
    await Promise.all(times(50, () => log.emit({ type: "ModelUnloaded", outcome: "info", action: "model.unload" })));
    expect(single(dir, "ModelLoaded")).toBe(50);
    expect(single(dir, "ModelUnloaded")).toBe(50);
    expect(summariesOf(dir)).toEqual([]);
  });

  test("leaves every other refusal its own record", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { flood: SMALL });
    await Promise.all(times(100, () => log.emit(denial())));
    await log.emit({ ...denial(), target: { path: "the/real/one" } });
    await log.emit({ ...denial(), actor: "mallory" });
    expect(single(dir)).toBe(7);
    expect(recordsOf(dir).at(-1)).toMatchObject({ type: "PathTraversalAttempt", actor: "mallory" });
  });

  test("can be told to be recorded whole", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { flood: false });
    await Promise.all(times(300, () => log.emit(denial())));
    expect(single(dir)).toBe(300);
  });
});

describe("an attacker who varies", () => {
  test("the path is recorded under that actor's limit, and the summary shows some of what was asked", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { flood: SMALL });
    await Promise.all(times(40, (i) => log.emit({ ...denial(), target: { path: `../${i}` } })));
    expect(single(dir)).toBe(10);
    const [summary] = summariesOf(dir);
    expect(summary).toMatchObject({ actor: "alice", details: { count: 30, distinct: 30, sample1: "alice ../10", sample4: "alice ../13" } });
    expect(summary?.["target"]).toBeUndefined();
    await log.emit({ ...denial(), actor: "bob" });
    expect(recordsOf(dir).at(-1)).toMatchObject({ actor: "bob", type: "PathTraversalAttempt" });
  });

  test("the actor as well meets the limit of the kind; other kinds keep their room", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { flood: SMALL });
    await Promise.all(times(100, (i) => log.emit({ ...denial(), actor: `a${i}`, target: { path: `../${i}` } })));
    expect(single(dir)).toBe(20);
    expect(covered(dir)).toBe(80);
    expect(summariesOf(dir)[0]?.["actor"]).toBeUndefined();
    await log.emit({ ...denial(), type: "IntegrityViolation", reason: "DIGEST_MISMATCH" });
    expect(single(dir, "IntegrityViolation")).toBe(1);
  });

  test("the reason as well meets a bound", async () => {
    const dir = newFolder();
    const log = await openLog(dir, { flood: SMALL });
    await Promise.all(times(1_000, (i) => log.emit({ ...denial(), reason: `R${i}`, actor: `a${i}` })));
    expect(single(dir)).toBeLessThanOrEqual(256 + 20);
    expect(single(dir) + covered(dir)).toBe(1_000);
  });
});

describe("what waits for its summary", () => {
  const slow = { ...SMALL, summaryMs: 10_000 };

  test("is durable after a flush, a closing, and a closing within the call", async () => {
    for (const end of ["flush", "flushSync", "close", "closeSync"] as const) {
      const dir = newFolder();
      const log = await openLog(dir, { flood: slow });
      const receipts = times(20, () => log.emit(denial()));
      if (end === "flush") await log.flush();
      if (end === "flushSync") log.flushSync();
      if (end === "close") await log[Symbol.asyncDispose]();
      if (end === "closeSync") log[Symbol.dispose]();
      expect(covered(dir), end).toBe(15);
      await Promise.all(receipts);
      expect(await verifyTrail(dir), end).toMatchObject({ ok: true });
    }
  });

  test("is on disk when the process exits, and keeps the process alive until its caller is answered", { timeout: 60_000 }, async () => {
    const home = compiledLibrary();
    const exits = newFolder();
    const flood = (dir: string, ms: number, then: string): Promise<{ code: number | null; stdout: string }> => death(startProgram(home, dir, `
      const log = await AuditLog.open(dir, { flood: { equal: 5, summaryMs: ${ms} } });
      const receipts = Array.from({ length: 20 }, () => log.emit({ ...denial(), reason: "X" }));
      ${then}`));
    expect(await flood(exits, 10_000, "process.exit(3);")).toMatchObject({ code: 3 });
    expect(covered(exits)).toBe(15);
    const awaits = newFolder();
    expect(await flood(awaits, 300, "const all = await Promise.all(receipts); console.log(all.length);")).toMatchObject({ code: 0, stdout: "20\n" });
    expect(covered(awaits)).toBe(15);
  });

  test("is refused, counted and told when its summary cannot be written", async () => {
    const registry = new Registry();
    const lines: string[] = [];
    let full = false;
    const writeSync = ((...all: Parameters<typeof NODE_FS.writeSync>) => { if (full) throw systemError("ENOSPC"); return NODE_FS.writeSync(...all); }) as typeof NODE_FS.writeSync;
    const dir = newFolder();
    const log = await openLog(dir, { registry, flood: slow, fs: brokenFs({ writeSync }), reserveBytes: 0, emergency: (line) => lines.push(line) });
    const receipts = times(20, () => log.emit(denial()));
    await Promise.all(receipts.slice(0, 5));
    full = true;
    await log.flush().catch(() => undefined);
    const outcomes = await Promise.allSettled(receipts);
    expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(15);
    expect(await registry.getSingleMetricAsString("model_loader_audit_critical_emit_failures_total")).toContain('{reason="enospc"} 15');
    expect(lines).toHaveLength(1);
    full = false;
    await log.emit(loaded());
    expect(recordsOf(dir).find(({ type }) => type === "AuditEventsLost")).toMatchObject({ details: { count: 15, critical: 15 } });
  });
});

describe("a flood through the loader", () => {
  test("of thousands of CRITICAL refusals stays small on disk, and the counts have all of them", { timeout: 60_000 }, async () => {
    const dir = newFolder();
    const root = newFolder();
    mkdirSync(root);
    const registry = new Registry();
    const log = await openLog(dir, { registry });
    const loader = await ModelLoader.open({ root, audit: log, registry, concurrency: 16 });
    const count = 6_000;
    const refusals = await Promise.all(times(count, () => loader.load("../../etc/passwd", { actor: "mallory" }).catch((failure: unknown) => failure)));
    expect(refusals.filter((failure) => (failure as { code?: string }).code === "PATH_TRAVERSAL" && (failure as { auditError?: Error }).auditError === undefined)).toHaveLength(count);
    const bytes = segmentsOf(dir).reduce((sum, path) => sum + statSync(path).size, 0);
    expect(bytes).toBeLessThan(250_000);
    expect(single(dir) + covered(dir)).toBe(count);
    expect(single(dir)).toBe(100);
    const counted = await registry.getSingleMetricAsString("model_loader_audit_events_suppressed_total");
    expect(counted).toContain(`{type="PathTraversalAttempt",severity="CRITICAL"} ${count - 100}`);
    expect(await registry.getSingleMetricAsString("model_loader_audit_emits_total")).toContain(`{type="PathTraversalAttempt",severity="CRITICAL"} ${count}`);
    await loader[Symbol.asyncDispose]();
    await log[Symbol.asyncDispose]();
    expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
    expect(readFileSync(segmentsOf(dir)[0] ?? "", "latin1")).toContain("AuditEventsSuppressed");
  });
});

test.each([["no object", 5], ["an unknown limit", { equals: 3 }], ["zero", { equal: 0 }], ["a fraction", { summaryMs: 1.5 }]])("limits with %s are refused", async (_, flood) => {
  await expect(AuditLog.open(newFolder(), { flood: flood as object })).rejects.toThrow(/^flood/);
});
