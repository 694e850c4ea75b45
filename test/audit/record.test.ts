import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { escapeText, unescapeText } from "../../lib/audit/escape.ts";
import { EVENTS } from "../../lib/audit/event-table.ts";
import { EVENT_TYPES } from "../../lib/audit/events.ts";
import { RECORD_BYTES_MAX } from "../../lib/audit/record.ts";
import { identityJson } from "../../lib/audit/identity.ts";
import { lineOf, PREV } from "./record-line.ts";
import type { LineOptions } from "./record-line.ts";

/** With what could not be read. */
function madeOf(event: unknown, options: LineOptions = {}): { line: string; unreadable: unknown[] } {
  const unreadable: unknown[] = [];
  return { line: lineOf(event, { ...options, unreadable: (_, failure) => { unreadable.push(failure); } }), unreadable };
}

function recordOf(event: unknown): Record<string, unknown> {
  const { line, unreadable } = madeOf(event);
  expect(line).toMatch(/^[ -~]*$/);
  expect(line.length).toBeLessThanOrEqual(RECORD_BYTES_MAX);
  expect(unreadable).toEqual([]);
  return JSON.parse(line) as Record<string, unknown>;
}

const BASE = { type: "ModelLoaded", outcome: "allowed", action: "model.load" };

describe("the envelope", () => {
  test("holds the fields in their order", () => {
    const record = recordOf({
      ...BASE, reason: "OK", actor: "alice", correlationId: "c", traceId: "t", details: { a: 1, b: undefined, c: null, d: true, e: 1.5 },
      target: { path: "a.gguf", sizeBytes: 5, dev: 2n ** 60n, ino: 12, sha256: "00", expectedSha256: "11", ggufVersion: 3, architecture: "llama" },
    });
    expect(Object.keys(record)).toEqual([
      "v", "origin", "seq", "id", "time", "mono", "boot", "host", "proc", "type", "sev", "outcome", "action", "reason", "actor", "target",
      "corr", "trace", "details", "prev",
    ]);
    expect(record).toMatchObject({
      v: 1, origin: "host/model-loader/test", seq: 7, type: "ModelLoaded", sev: "INFO", outcome: "allowed", action: "model.load",
      reason: "OK", actor: "alice", corr: "c", trace: "t", prev: PREV, details: { a: 1, c: null, d: true, e: 1.5 },
      target: {
        path: "a.gguf", sizeBytes: 5, dev: "1152921504606846976", ino: "12", sha256: "00", expectedSha256: "11", ggufVersion: 3, architecture: "llama",
      },
    });
    expect(record["proc"]).toMatchObject({ pid: process.pid, uid: process.getuid?.(), node: process.versions.node });
    expect(record["id"]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(record["time"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  });

  test("every type has its own severity, and an event can have another", () => {
    for (const type of EVENT_TYPES) {
      expect(recordOf({ ...BASE, type })).toMatchObject({ type, sev: EVENTS[type].severity });
      expect(recordOf({ ...BASE, type, severity: "CRITICAL" })).toMatchObject({ type, sev: "CRITICAL" });
    }
  });

  test("what is not in a closed list is recorded beside what it was taken for", () => {
    expect(recordOf({ type: "Nonsense\n", severity: "PANIC", outcome: "maybe", action: "x" })).toMatchObject({
      type: "UnrecognizedEvent", sev: "HIGH", outcome: "info", given: { type: "Nonsense\\u{000A}", sev: "PANIC", outcome: "maybe" },
    });
    expect(recordOf({ ...BASE, type: "__proto__" })).toMatchObject({ type: "UnrecognizedEvent", given: { type: "__proto__" } });
  });
});

describe("a target's path", () => {
  test("is alone where its text is its bytes", () => {
    expect(recordOf({ ...BASE, target: { path: "dir/a b.gguf" } })["target"]).toEqual({ path: "dir/a b.gguf" });
  });

  test("has its bytes beside it where the text had to be escaped", () => {
    const target = recordOf({ ...BASE, target: { path: "../\u001b[2Jé" } })["target"] as { path: string; pathBytes: string };
    expect(target.path).toBe("../\\u{001B}[2J\\u{00E9}");
    expect(Buffer.from(target.pathBytes, "base64").toString()).toBe("../\u001b[2Jé");
  });

  test("keeps bytes that are not UTF-8", () => {
    const path = Buffer.from([0x61, 0xff, 0x00, 0x2f]);
    expect(recordOf({ ...BASE, target: { path } })["target"]).toEqual({ path: "a\\u{FFFD}\\u{0000}/", pathBytes: path.toString("base64") });
  });

  test("of 10 MB is cut, with length and digest", () => {
    const path = "x".repeat(10_000_000);
    const sha256 = createHash("sha256").update(path).digest("hex");
    expect(recordOf({ ...BASE, target: { path } })["target"]).toMatchObject({ path: { len: 10_000_000, sha256, truncated: true } });
  });
});

describe("hostile events", () => {
  const thrower = (): never => { throw new Error("no"); };
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  const hostileValues: [string, unknown][] = [
    ["a number", 5], ["NaN", NaN], ["a bigint", 5n], ["a symbol", Symbol("x")], ["a function", thrower], ["null", null],
    ["an array", ["a", { b: 1 }]], ["a cycle", cyclic], ["a throwing toJSON", { toJSON: thrower }], ["a throwing toString", { toString: thrower }],
    ["a getter that throws", { get x(): never { return thrower(); } }],
    ["a getter for the tag", { get [Symbol.toStringTag](): never { return thrower(); } }],
    ["a proxy that throws", new Proxy({}, { get: thrower, ownKeys: thrower, getOwnPropertyDescriptor: thrower, has: thrower, getPrototypeOf: thrower })],
    ["a revoked proxy", revoked()], ["an object without prototype", Object.create(null)], ["a date", new Date(NaN)],
    ["10 MB of text", "\u202e".repeat(5_000_000)], ["a megabyte of bytes", Buffer.alloc(1_000_000, 0xff)],
    ["a list of a million", new Array(1_000_000).fill("x")], ["boxed text", Object("text")], ["an error with a bad stack", badError()],
  ];
  const fields = ["type", "severity", "outcome", "action", "reason", "actor", "correlationId", "traceId", "target", "details"];

  test.each(hostileValues)("%s in any field leaves one record", (_, value) => {
    for (const field of fields) expect(recordOf({ ...BASE, [field]: value })).toMatchObject({ v: 1, seq: 7, prev: PREV });
    for (const field of ["path", "sizeBytes", "dev", "ino", "sha256", "expectedSha256", "ggufVersion", "architecture"]) {
      expect(recordOf({ ...BASE, target: { [field]: value } })).toMatchObject({ type: "ModelLoaded" });
    }
    expect(recordOf({ ...BASE, details: { field: value, other: "kept" } })["details"]).toMatchObject({ other: "kept" });
  });

  test.each(hostileValues)("%s in place of the event leaves one record", (_, value) => {
    expect(recordOf(value)).toMatchObject({ type: "UnrecognizedEvent", outcome: "info" });
  });

  test("a field that cannot be read says so, and the others are kept", () => {
    const event = { ...BASE, reason: "DIGEST_MISMATCH", get actor(): never { return thrower(); } };
    expect(recordOf(event)).toMatchObject({ reason: "DIGEST_MISMATCH", actor: { type: "unreadable" } });
  });

  test("5 and \"5\" stay different", () => {
    expect(recordOf({ ...BASE, actor: 5 })["actor"]).toEqual({ type: "number", text: "5" });
    expect(recordOf({ ...BASE, actor: "5" })["actor"]).toBe("5");
  });

  test("details that do not fit are counted", () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key${i}`, "v"]));
    expect(recordOf({ ...BASE, details: many })).toMatchObject({ detailsOmitted: 68 });
    const large = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key${i}`, "v".repeat(400)]));
    expect(recordOf({ ...BASE, details: large })["detailsOmitted"]).toBeGreaterThan(5);
  });

  test("long keys that begin alike stay different", () => {
    const details = { [`${"k".repeat(200)}1`]: 1, [`${"k".repeat(200)}2`]: 2 };
    expect(Object.values(recordOf({ ...BASE, details })["details"] as object)).toEqual([1, 2]);
  });

  test("everything at its largest still fits", () => {
    const bad = "\u{10ffff}".repeat(20_000);
    const quoted = '"'.repeat(50_000);
    for (const text of [bad, quoted]) {
      const target = { path: text, sizeBytes: 2 ** 53 - 1, dev: 2n ** 64n, ino: 2n ** 64n, sha256: text, expectedSha256: text, ggufVersion: text, architecture: text };
      const details = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${text}${i}`, text]));
      const all = { type: text, severity: text, outcome: text, action: text, reason: text, actor: text, correlationId: text, traceId: text, target, details };
      expect(recordOf(all)).toMatchObject({ type: "UnrecognizedEvent" });
    }
  });

  test("any text in every field makes one parseable ASCII line that still says what it was", () => {
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 }).map((units) => String.fromCharCode(...units)));
    fc.assert(fc.property(text, text, text, text, (actor, path, key, value) => {
      const record = recordOf({ ...BASE, actor, correlationId: actor, target: { path, sha256: value }, details: { [key]: value } });
      const said = record as { actor: string; target: { path: string }; details: Record<string, string> };
      const [entry] = Object.entries(said.details);
      const short = JSON.stringify(escapeText(key)).length <= 66;
      return unescapeText(said.actor) === actor && unescapeText(said.target.path) === path && unescapeText(entry?.[1] ?? "") === value
        && (!short || unescapeText(entry?.[0] ?? "") === key);
    }), { numRuns: 500 });
  });

  test("what does not fit for a reason that nobody foresaw is recorded in outline and counted", () => {
    const crowded = `${identityJson()},"crowd":"${"x".repeat(14_000)}"`;
    const event = { ...BASE, type: "IntegrityViolation", reason: "DIGEST_MISMATCH", target: { path: "p".repeat(3_000) } };
    const { line, unreadable } = madeOf(event, { identity: crowded });
    expect(line.length).toBeLessThanOrEqual(RECORD_BYTES_MAX);
    expect(JSON.parse(line)).toMatchObject({ seq: 7, type: "IntegrityViolation", sev: "CRITICAL", reason: "UNREADABLE_EVENT", prev: PREV });
    expect(unreadable).toHaveLength(1);
  });
});

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function badError(): Error {
  const error = new Error("x");
  Object.defineProperty(error, "stack", { get: () => { throw new Error("no stack"); } });
  return error;
}
