import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { AuditLog, ModelLoader, REFUSAL_CODES } from "../../lib/index.ts";
import { tinyModel } from "../fixtures/models.mjs";
import { folder, gate, refusal } from "../support/gate.ts";

const bytes = tinyModel().bytes();

describe("the metrics", () => {
  test("count decisions by action and code, bytes, and what is open", async () => {
    const { root, loader, metric } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    const model = await loader.load("m.gguf");
    await refusal(loader.load("../x"));
    await refusal(loader.inspect("absent"));
    await loader.validateBytes(bytes);
    expect(await metric("model_loader_decisions_total", { action: "load", code: "OK" })).toBe(1);
    expect(await metric("model_loader_decisions_total", { action: "load", code: "PATH_TRAVERSAL" })).toBe(1);
    expect(await metric("model_loader_decisions_total", { action: "inspect", code: "NOT_FOUND" })).toBe(1);
    expect(await metric("model_loader_decisions_total", { action: "validateBytes", code: "OK" })).toBe(1);
    expect(await metric("model_loader_bytes_hashed_total")).toBe(bytes.length * 2);
    expect(await metric("model_loader_models_open")).toBe(1);
    expect(await metric("model_loader_in_progress")).toBe(0);
    await model[Symbol.asyncDispose]();
    expect(await metric("model_loader_models_open")).toBe(0);
  });

  test("are all there at 0 before anything happens, the audit's among them", async () => {
    const { registry } = await gate();
    const text = await registry.metrics();
    for (const code of ["OK", ...Object.keys(REFUSAL_CODES)]) expect(text).toContain(`model_loader_decisions_total{action="load",code="${code}"} 0`);
    expect(text).toMatch(/^model_loader_audit_critical_emit_failures_total\{reason="enospc"\} 0$/mu);
    expect(text).toMatch(/^model_loader_audit_emit_failures_total\{severity="HIGH",reason="eio"\} 0$/mu);
    expect(text).toMatch(/^model_loader_audit_emits_total\{type="PathTraversalAttempt",severity="CRITICAL"\} 0$/mu);
    expect(text).toMatch(/^model_loader_audit_healthy 1$/mu);
  });

  test("hold no path, digest or name of anybody", async () => {
    const { root, loader, registry } = await gate();
    writeFileSync(join(root, "secret-name.gguf"), bytes);
    const model = await loader.load("secret-name.gguf", { actor: "secret-actor" });
    const text = await registry.metrics();
    expect(text).not.toContain("secret");
    expect(text).not.toContain(model.sha256);
  });

  test("are shared by two loaders of one registry", async () => {
    const home = await folder();
    const registry = new Registry();
    await using audit = await AuditLog.open(join(home, "audit"));
    await using one = await ModelLoader.open({ root: home, audit, registry });
    await using two = await ModelLoader.open({ root: home, audit, registry });
    await refusal(one.load("absent"));
    await refusal(two.load("absent"));
    expect(await registry.metrics()).toMatch(/^model_loader_decisions_total\{action="load",code="NOT_FOUND"\} 2$/mu);
  });
});
