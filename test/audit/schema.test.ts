/** The published schema of a record: every record that the writer makes fits it, and what it did not make does not. */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ValidateFunction } from "ajv";
import { describe, expect, test } from "vitest";
import { recordSchema } from "../../lib/audit/record-schema.ts";
import { EVENT_TYPES } from "../../lib/audit/events.ts";
import type { TrailRecord } from "../../lib/index.ts";
import { tinyModel } from "../fixtures/models.mjs";
import { gate, refusal } from "../support/gate.ts";
import { lineOf } from "./record-line.ts";
import { everyEvent, hostileEvents, recordOf } from "./samples.ts";
import { denial, linesOf, ROOT, writtenTrail } from "./support.ts";

/** As a stranger to this code reads it: from the package, by its published name. */
const PUBLISHED = createRequire(import.meta.url).resolve("model-loader/audit-record.schema.json");
const ajv = new Ajv2020({ strict: true, allErrors: true });
const schema = JSON.parse(readFileSync(PUBLISHED, "utf8")) as { $id: string };
const validate = ajv.compile(schema);

function ofType(type: string): ValidateFunction {
  return ajv.getSchema(`${schema.$id}#/$defs/${type}`) ?? expect.fail(`no schema for ${type}`);
}

function expectFits(judge: ValidateFunction, record: unknown): void {
  expect({ fits: judge(record), errors: judge.errors }).toEqual({ fits: true, errors: null });
}

test("the published file is what the writer's tables make; after a change: npx vitest run test/audit/schema.test.ts -u", async () => {
  await expect(`${JSON.stringify(recordSchema(), null, 2)}\n`).toMatchFileSnapshot("../../lib/audit/record.schema.json");
  expect(PUBLISHED).toBe(join(ROOT, "lib/audit/record.schema.json"));
});

describe("fits the schema", () => {
  test("every type of event, with all its details and with the required ones, by the root and by its own type", () => {
    const seen = everyEvent().map((event) => {
      const record = recordOf(event);
      expectFits(validate, record);
      expectFits(ofType(record.type), record);
      return record.type;
    });
    expect([...new Set(seen)]).toEqual(EVENT_TYPES);
  });

  test("hostile text and values of the wrong kind in every field, cut texts too", () => {
    const lines = hostileEvents().map((event) => lineOf(event));
    for (const line of lines) expectFits(validate, JSON.parse(line));
    for (const form of ['"truncated":true', '"encoding":"utf16le"', '"pathBytes":{"base64"', '"given":', '"policy":{"type"', '"target":{"type"']) {
      expect(lines.some((line) => line.includes(form)), form).toBe(true);
    }
  });

  test("details that are too many, absurd keys, and an event that could not be read", () => {
    const details = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${"\u{10ffff}".repeat(i * 10)}${"k".repeat(i)}"\\`, "v".repeat(i * 40)]));
    const crowded = lineOf({ ...denial(), details });
    expect(crowded).toContain('"detailsOmitted":');
    expectFits(validate, JSON.parse(crowded));
    expectFits(validate, recordOf(new Proxy({}, { get() { throw new Error("no"); } })));
  });

  test("what the loader records of good and bad models, by each record's own type", async () => {
    const { root, loader, auditDir } = await gate();
    tinyModel().save(join(root, "good.gguf"));
    writeFileSync(join(root, "bad.gguf"), "GGUF");
    const model = await loader.load("good.gguf", { actor: "alice" });
    await model[Symbol.asyncDispose]();
    for (const path of ["bad.gguf", "missing.gguf", "../../etc/passwd", "\u001b[2J/.."]) await refusal(loader.load(path, { correlationId: "c", traceId: "t" }));
    await refusal(loader.load("good.gguf", { sha256: "00".repeat(32) }));
    await refusal(loader.load("good.gguf", { maxBytes: 1 }));
    const records = linesOf(auditDir).map((line) => JSON.parse(line) as TrailRecord);
    expect(new Set(records.map(({ type }) => type))).toEqual(new Set([
      "AuditOpened", "ModelLoaded", "ModelUnloaded", "MalformedModelRejected", "ModelLoadFailed", "PathTraversalAttempt", "IntegrityViolation", "ResourceLimitViolation",
    ]));
    for (const record of records) expectFits(ofType(record.type), record);
    // The envelope that the design asks of every decision is really there.
    for (const record of records.filter(({ type }) => type.startsWith("Model"))) {
      expect(record).toMatchObject({ policy: { id: "model-gate", version: record.proc.version, digest: expect.stringMatching(/^[0-9a-f]{64}$/u) as string }, host: { name: expect.any(String) as string } });
    }
    const digests = records.map(({ policy }) => (policy === undefined ? "" : JSON.stringify(policy)));
    // Only the call with rules of its own was judged by others.
    expect(new Set(digests.filter((digest) => digest !== "")).size).toBe(2);
  });

  test("a trail that was opened, rotated and closed", async () => {
    const lines = linesOf(await writtenTrail(60, { segmentBytes: 16_384 }));
    const records = lines.map((line) => JSON.parse(line) as TrailRecord);
    expect(records.map(({ type }) => type)).toEqual(expect.arrayContaining(["AuditOpened", "AuditRotated", "AuditClosed"]) as string[]);
    for (const record of records) expectFits(ofType(record.type), record);
  });
});

describe("does not fit the schema", () => {
  const good = recordOf({ ...everyEvent()[0], severity: "HIGH" }) as unknown as Readonly<Record<string, unknown>>;

  test("a record without one of its fields", () => {
    for (const field of ["v", "origin", "seq", "id", "time", "mono", "boot", "proc", "type", "sev", "outcome", "action", "prev"]) {
      expect(validate({ ...good, [field]: undefined }), field).toBe(false);
      expect(validate(JSON.parse(JSON.stringify({ ...good, [field]: undefined }))), field).toBe(false);
    }
  });

  test.each<[string, unknown]>([
    ["v", 2], ["seq", -1], ["seq", 1.5], ["seq", "7"], ["seq", 2 ** 53], ["id", "x"], ["id", "0f0e8400-e29b-41d4-a716-446655440000"], ["time", "2026-11-24T07:00:00Z"],
    ["time", 5], ["mono", 5], ["type", "Nonsense"], ["sev", "LOW"], ["outcome", "maybe"], ["prev", "AB".repeat(32)], ["prev", "ab"], ["origin", "a b"], ["origin", "x".repeat(257)],
    ["action", "x".repeat(129)], ["action", "\n"], ["actor", "\u001b"], ["actor", 5], ["reason", null], ["corr", { text: "x" }], ["trace", ["x"]],
    ["target", "a.gguf"], ["target", { path: "a", extra: 1 }], ["target", { dev: 5 }], ["target", { pathBytes: "no base64!" }],
    ["policy", { id: "x" }], ["details", "x"], ["details", { a: { b: 1 } }], ["details", { "é": 1 }], ["detailsOmitted", 0], ["given", {}], ["proc", { pid: 1 }],
    ["host", {}], ["host", { name: "x", id: "5" }], ["extra", 1],
  ])("%s: %j", (field, value) => {
    expectFits(validate, good);
    expect(validate({ ...good, [field]: value })).toBe(false);
  });

  test("a type's own schema: a missing detail, one of another kind, one too many, another type", () => {
    const sealed = recordOf({ type: "VramSealed", outcome: "info", action: "vram.seal", details: { shardId: "s", deviceUuid: "d", vramBytes: 5, digest: "ab" } });
    expectFits(ofType("VramSealed"), sealed);
    for (const details of [{ ...sealed.details, digest: undefined }, { ...sealed.details, vramBytes: "5" }, { ...sealed.details, more: 1 }]) {
      expect(ofType("VramSealed")(JSON.parse(JSON.stringify({ ...sealed, details })))).toBe(false);
    }
    expect(ofType("VramAllocated")(sealed)).toBe(false);
  });
});
