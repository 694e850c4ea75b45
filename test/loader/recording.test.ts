/** Every decision is in the trail before the caller sees it, and says who, what and why. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { AuditLog, ModelLoader, verifyTrail } from "../../lib/index.ts";
import { tinyModel } from "../fixtures/models.mjs";
import { distIndex } from "../support/dist.ts";
import { mountFull } from "../support/full-disk.ts";
import { folder, gate, recordsOf, refusal } from "../support/gate.ts";

const bytes = tinyModel().bytes();
const sha256 = createHash("sha256").update(bytes).digest("hex");

describe("the trail", () => {
  test("tells the life of a model", async () => {
    const { root, loader, records } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    const model = await loader.load("m.gguf", { sha256, actor: "alice", correlationId: "r-1", traceId: "t-1" });
    expect((await records()).at(-1)).toMatchObject({
      type: "ModelLoaded", sev: "INFO", outcome: "allowed", action: "model.load", actor: "alice", corr: "r-1", trace: "t-1",
      target: { sha256, expectedSha256: sha256, expectedFrom: "caller", ggufVersion: 3, architecture: "llama" },
      details: { root, strict: false, engineSafety: true, findings: 0 },
    });
    await model[Symbol.asyncDispose]();
    expect((await records()).at(-1)).toMatchObject({ type: "ModelUnloaded", action: "model.unload", actor: "alice", corr: "r-1", target: { sha256 } });
  });

  test("holds hostile text of every kind, one ASCII line a record", async () => {
    const { root, loader, records, auditDir } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    const hostile = ["\n{\"seq\":0}", "\u001b]0;x\u0007", "\u202egpj.exe", "\0", "\ud800", "x".repeat(1_000_000), "\\u{41}", "' OR 1=1 --"];
    for (const text of hostile) {
      await refusal(loader.load(`../${text}`, { actor: text, correlationId: text, traceId: text }));
    }
    const seen = (await records()).filter(({ type }) => type === "PathTraversalAttempt");
    expect(seen).toHaveLength(hostile.length);
    for (const record of seen) expect(JSON.stringify(record)).toMatch(/^[\x20-\x7e]*$/u);
    expect(await verifyTrail(auditDir)).toMatchObject({ ok: true });
  });

  test("holds the CRITICAL record when the process dies right after the refusal", async () => {
    const home = await folder();
    mkdirSync(join(home, "models"));
    const program = `
      import { AuditLog, ModelLoader } from ${JSON.stringify(distIndex())};
      const audit = await AuditLog.open(${JSON.stringify(join(home, "audit"))});
      const loader = await ModelLoader.open({ root: ${JSON.stringify(join(home, "models"))}, audit });
      await loader.load("../../etc/passwd").catch(() => process.kill(process.pid, "SIGKILL"));`;
    const end = promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
    await expect(end).rejects.toMatchObject({ signal: "SIGKILL" });
    expect((await recordsOf(join(home, "audit"))).at(-1)).toMatchObject({ type: "PathTraversalAttempt", sev: "CRITICAL" });
  });

  test("is not doubted by a record of a refused option, for nothing was decided", async () => {
    const { loader, records } = await gate();
    const before = (await records()).length;
    await expect(loader.load("m.gguf", { sha256: "xyz" })).rejects.toThrow(TypeError);
    expect(await records()).toHaveLength(before);
  });
});

/** A log whose disk is gone: the double is ours, and only the log's own face is doubled. */
function brokenLog(): AuditLog {
  const failure = Object.assign(new Error("disk full"), { code: "AUDIT_UNAVAILABLE" });
  return {
    emit: () => Promise.reject(failure),
    emitSync: () => { throw failure; },
    flush: () => Promise.reject(failure),
    flushSync: () => { throw failure; },
    attachMetrics: () => undefined,
  } as unknown as AuditLog;
}

describe("when nothing can be recorded", () => {
  test("a refusal stays what it was and carries the failure", async () => {
    const root = await folder();
    const loader = await ModelLoader.open({ root, audit: brokenLog() });
    const error = await refusal(loader.load("../../etc/passwd"));
    expect(error.code).toBe("PATH_TRAVERSAL");
    expect(error.auditError).toMatchObject({ message: "disk full" });
  });

  test("a good model is refused, unless the host has said otherwise", async () => {
    const root = await folder();
    writeFileSync(join(root, "m.gguf"), bytes);
    const closed = await ModelLoader.open({ root, audit: brokenLog() });
    expect(await refusal(closed.load("m.gguf"))).toMatchObject({ code: "AUDIT_UNAVAILABLE", severity: "CRITICAL", retriable: true });
    const registry = new Registry();
    const open = await ModelLoader.open({ root, audit: brokenLog(), registry, onAuditFailure: "continue" });
    const model = await open.load("m.gguf");
    expect(model.auditError).toMatchObject({ message: "disk full" });
    await model[Symbol.asyncDispose]();
    expect((await open.validateBytes(bytes)).auditError).toMatchObject({ message: "disk full" });
    expect(await registry.getSingleMetricAsString("model_loader_audit_unrecorded_handovers_total")).toMatch(/ 2$/u);
  });

  test("a host that goes on without records has that on record", async () => {
    const root = await folder();
    const dir = join(await folder(), "trail");
    const audit = await AuditLog.open(dir);
    for (const onAuditFailure of ["refuse", "continue"] as const) await ModelLoader.open({ root, audit, onAuditFailure });
    await audit[Symbol.asyncDispose]();
    expect((await recordsOf(dir)).filter(({ type }) => type === "AuditConfigured")).toMatchObject([
      { sev: "HIGH", action: "loader.open", reason: "FAIL_OPEN", details: { onAuditFailure: "continue" } },
    ]);
  });

  test("disposal closes everything and then throws what failed", async () => {
    const root = await folder();
    const loader = await ModelLoader.open({ root, audit: brokenLog() });
    await expect(loader[Symbol.asyncDispose]()).rejects.toThrow("disk full");
    await expect(loader[Symbol.asyncDispose]()).resolves.toBeUndefined();
  });

  test("on a full disk the refusal is whole, the failure is counted, and nothing is lost in silence", async (ctx) => {
    const home = await folder();
    const disk = mountFull(join(home, "audit"));
    if (disk === undefined) return ctx.skip("no right to mount a small disk");
    const registry = new Registry();
    const quiet = { error: () => undefined, warn: () => undefined };
    const audit = await AuditLog.open(join(home, "audit"), { logger: quiet });
    const loader = await ModelLoader.open({ root: home, audit, registry });
    writeFileSync(join(home, "m.gguf"), bytes);
    disk.fill();
    // The last page of the segment may have room for a few more records.
    let error = await refusal(loader.load("../../etc/passwd"));
    for (let tries = 0; tries < 10 && error.auditError === undefined; tries++) error = await refusal(loader.load("../../etc/passwd"));
    expect(error.code).toBe("PATH_TRAVERSAL");
    expect(error.auditError).toMatchObject({ code: "AUDIT_UNAVAILABLE", reason: "enospc" });
    expect(await refusal(loader.load("m.gguf"))).toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    const text = await registry.metrics();
    expect(text).toMatch(/^model_loader_audit_critical_emit_failures_total\{reason="enospc"\} 1$/mu);
    expect(text).toMatch(/^model_loader_audit_emit_failures_total\{severity="CRITICAL",reason="enospc"\} 1$/mu);
    disk.free();
    await expect(loader.load("m.gguf")).resolves.toBeDefined();
    await loader[Symbol.asyncDispose]();
    await audit[Symbol.asyncDispose]();
    expect(await verifyTrail(join(home, "audit"))).toMatchObject({ ok: true });
  });
});
