/** A misspelt option of the trail never passes for one that was left out. */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  AuditLog, checkProof, jetStreamSource, natsSink, otelSink, proveRecord, queryTrail, syslogSink, verifyCentral, verifyTrail,
} from "../../lib/index.ts";
import { loaded, newFolder, openLog } from "./support.ts";

const CALLS: readonly [string, (dir: string) => unknown, string][] = [
  ["AuditLog.open", (dir) => AuditLog.open(dir, { segmentByte: 65_536 } as never), 'options has no option "segmentByte"'],
  ["its checkpoints", (dir) => AuditLog.open(dir, { checkpoints: { every: 5 } } as never), 'checkpoints has no option "every"'],
  ["verifyTrail", (dir) => verifyTrail(dir, { vkey: ["k"] } as never), 'options has no option "vkey"'],
  ["verifyCentral", () => verifyCentral({} as never, { vkey: ["k"] } as never), 'options has no option "vkey"'],
  ["queryTrail", (dir) => queryTrail(dir, { severity: ["CRITICAL"] } as never).next(), 'filter has no option "severity"'],
  ["proveRecord", (dir) => proveRecord(dir, 0, { vkey: ["k"] } as never), 'options has no option "vkey"'],
  ["checkProof", () => checkProof("", "", { vkeys: [], quorums: 2 } as never), 'options has no option "quorums"'],
  ["natsSink", () => natsSink({ servers: "nats://127.0.0.1:4222", stram: "audit" } as never), 'options has no option "stram"'],
  ["syslogSink", () => syslogSink({ transport: "udp", host: "127.0.0.1", facilty: 4 } as never), 'options has no option "facilty"'],
  ["otelSink", () => otelSink({ provider: {} } as never), 'options has no option "provider"'],
  ["jetStreamSource", () => jetStreamSource({ url: "nats://127.0.0.1:1", stream: "audit", cred: "f" } as never), 'place has no option "cred"'],
];

describe("an unknown option", () => {
  test.each(CALLS)("of %s is a TypeError that names the known ones", async (_, call, message) => {
    const dir = newFolder();
    const failure: unknown = await Promise.resolve().then(() => call(dir)).then(() => undefined, (error: unknown) => error);
    expect(failure).toBeInstanceOf(TypeError);
    expect((failure as TypeError).message).toContain(`${message}; known: `);
    expect(existsSync(dir)).toBe(false);
  });

  test.each([[null], [5], ["x"], [[]]])("%j is no object of options", async (options) => {
    await expect(AuditLog.open(newFolder(), options as never)).rejects.toThrow(TypeError);
    await expect(verifyTrail(newFolder(), options as never)).rejects.toThrow(TypeError);
    await expect(queryTrail(newFolder(), options as never).next()).rejects.toThrow(TypeError);
  });
});

describe("a filter", () => {
  test.each([
    [{ severities: "CRITICAL" }, "severities"], [{ severities: ["critical"] }, "severities"], [{ types: ["Nothing"] }, "types"], [{ outcomes: [null] }, "outcomes"],
    [{ since: "2026-01-01" }, "since"], [{ until: new Date(Number.NaN) }, "until"], [{ actor: 5 }, "actor"], [{ reason: null }, "reason"],
    [{ correlationId: {} }, "correlationId"], [{ target: 7 }, "target"], [{ from: -1 }, "from"], [{ to: "9" }, "to"], [{ limit: 1.5 }, "limit"],
  ])("%j is refused by name", async (filter, name) => {
    const failure = queryTrail(newFolder(), filter as never).next();
    await expect(failure).rejects.toThrow(TypeError);
    await expect(failure).rejects.toThrow(`filter.${name} must be`);
  });

  test("may name every part, and ask for nothing by an empty list", async () => {
    const dir = newFolder();
    const log = await openLog(dir);
    await log.emit(loaded());
    await log[Symbol.asyncDispose]();
    const now = Date.now();
    const filter = {
      since: new Date(now - 60_000), until: new Date(now + 60_000), types: ["ModelLoaded"], severities: ["INFO"], outcomes: ["allowed"],
      correlationId: "c-1", target: Buffer.from("a.gguf"), from: 0, to: Infinity, limit: Infinity,
    } as const;
    const found: unknown[] = [];
    for await (const { type } of queryTrail(dir, filter)) found.push(type);
    expect(found).toEqual(["ModelLoaded"]);
    for await (const record of queryTrail(dir, { types: [] })) found.push(record);
    expect(found).toHaveLength(1);
  });
});
