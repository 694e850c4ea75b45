/** The JetStream sink against real servers: what arrives, what an outage costs, and what a rolled-back host looks like. */
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { natsSink } from "../../lib/audit/sinks/nats.ts";
import type { NatsSinkOptions } from "../../lib/audit/sinks/nats.ts";
import { subjectOf } from "../../lib/audit/sinks/nats-subject.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import type { AuditLogOptions } from "../../lib/audit/log.ts";
import { compiledLibrary, death, linesOf, loaded, newFolder, openLog, recordsOf, ROOT, startProgram } from "../audit/support.ts";
import { INSTALL_MS_MAX } from "../support/debian.ts";
import { debianServer, NatsServer, newerServer } from "./nats.ts";
import type { Program } from "./nats.ts";
import { eventually, metricOf, STREAM, streamLines } from "./support.ts";

let debian: Program | string = "not looked for yet";
let newer: Program | string = "not looked for yet";
let home = "";

beforeAll(async () => {
  debian = await debianServer();
  newer = newerServer();
  home = compiledLibrary();
}, 2 * INSTALL_MS_MAX);

afterAll(() => { rmSync(home, { recursive: true, force: true }); });

function present(ctx: TestContext, program: Program | string): Program {
  return typeof program === "string" ? ctx.skip(program) : program;
}

function sinkTo({ url }: NatsServer, more: Partial<NatsSinkOptions> = {}): NonNullable<AuditLogOptions["sinks"]> {
  return [natsSink({ servers: url, createStream: true, closeMs: 20_000, ...more })];
}

function emitMany(log: AuditLog, count: number, from = 0): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, (_, i) => log.emit(loaded(`c-${from + i}`))));
}

for (const [which, program] of [["Debian's server", () => debian], ["a server that syncs each message", () => newer]] as const) {
  describe(which, () => {
    test("gets every line of the trail, byte for byte and in order, before the trail is closed", async (ctx) => {
      const server = await NatsServer.start(present(ctx, program()));
      const dir = newFolder();
      const log = await openLog(dir, { sinks: sinkTo(server) });
      await emitMany(log, 1_000);
      await log[Symbol.asyncDispose]();
      expect(await streamLines(await server.client())).toEqual(linesOf(dir));
    });

    test("loses nothing and doubles nothing when it is killed in the middle and comes back", async (ctx) => {
      const server = await NatsServer.start(present(ctx, program()));
      const dir = newFolder();
      const log = await openLog(dir, { sinks: sinkTo(server) });
      for (let round = 0; round < 3; round += 1) {
        const writing = emitMany(log, 1_500, round * 1_500);
        await sleep(30);
        await server.kill();
        await writing;
        await server.start();
      }
      await log[Symbol.asyncDispose]();
      expect(await streamLines(await server.client())).toEqual(linesOf(dir));
    });
  });
}

describe("an outage", () => {
  test("is recorded once with its end, holds up no record, and is caught up from the local log", async (ctx) => {
    const server = await NatsServer.start(present(ctx, debian));
    const dir = newFolder();
    const registry = new Registry();
    const log = await openLog(dir, { sinks: sinkTo(server), registry, segmentBytes: 100_000 });
    await eventually(async () => (await metricOf(registry, "lag_records", "nats")) === 0, "the opening has arrived");
    await server.kill();
    // More than memory keeps, over many segments.
    for (let round = 0; round < 10; round += 1) await emitMany(log, 400, round * 400);
    await eventually(async () => (await metricOf(registry, "failures_total", "nats")) !== 0, "the failure is counted");
    expect(await metricOf(registry, "lag_records", "nats")).toBeGreaterThan(3_999);
    await server.start();
    await eventually(() => recordsOf(dir).some(({ type }) => type === "AuditSinkRecovered"), "the end of the outage is recorded");
    await log[Symbol.asyncDispose]();
    expect(await metricOf(registry, "lag_records", "nats")).toBe(0);
    expect(await streamLines(await server.client())).toEqual(linesOf(dir));
    const about = recordsOf(dir).filter(({ type }) => type.startsWith("AuditSink"));
    expect(about.map(({ type, sev }) => [type, sev])).toEqual([["AuditSinkFailed", "HIGH"], ["AuditSinkRecovered", "INFO"]]);
    const { from, to, count } = about[1]?.details as { from: number; to: number; count: number };
    expect([from, count]).toEqual([1, to]);
    expect(count).toBeGreaterThan(3_999);
  });

  test("without end lets records be durable, counts what waits, and lets the process exit", async () => {
    const dir = newFolder();
    const child = startProgram(home, dir, `
      import { natsSink } from "./lib/audit/sinks/nats.js";
      const log = await AuditLog.open(dir, { sinks: [natsSink({ servers: "nats://127.0.0.1:1" })], logger: { warn() {}, error() {} } });
      for (let i = 0; i < 10; i += 1) await log.emit(loaded("c-" + i));
      await new Promise((done) => { setTimeout(done, 600); });
      console.log("done");`);
    const started = performance.now();
    expect(await death(child)).toMatchObject({ code: 0, stdout: "done\n", stderr: "" });
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(recordsOf(dir).filter(({ type }) => type === "ModelLoaded")).toHaveLength(10);
    expect(recordsOf(dir).filter(({ type }) => type === "AuditSinkFailed")).toHaveLength(1);
  });

  test("that begins with the closing is waited out, as far as there is time", async (ctx) => {
    const server = await NatsServer.start(present(ctx, debian));
    const dir = newFolder();
    const log = await openLog(dir, { sinks: sinkTo(server) });
    for (let i = 0; i < 700; i += 1) log.emitSync(loaded(`c-${i}`));
    const closing = log[Symbol.asyncDispose]();
    await server.kill();
    await sleep(300);
    await server.start();
    await closing;
    expect(await streamLines(await server.client())).toEqual(linesOf(dir));
  });

  test("that outlasts the closing is named by its number of records, within the time for closing", async () => {
    const said: string[] = [];
    const logger = { warn: (_: object, message: string) => { said.push(message); }, error: () => undefined };
    const log = await openLog(newFolder(), { sinks: [natsSink({ servers: "nats://127.0.0.1:1", closeMs: 300 })], logger });
    await emitMany(log, 5);
    const started = performance.now();
    await log[Symbol.asyncDispose]();
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(said.at(-1)).toMatch(/^\d+ records were not delivered to the audit sink nats; the next run delivers them$/);
  });
});

test("a process that was killed goes on in its next life where the stream ends", async (ctx) => {
  const server = await NatsServer.start(present(ctx, debian));
  const dir = newFolder();
  for (let life = 0; life < 3; life += 1) {
    const child = startProgram(home, dir, `
      import { natsSink } from "./lib/audit/sinks/nats.js";
      const log = await AuditLog.open(dir, { sinks: [natsSink({ servers: "${server.url}", createStream: true })] });
      console.log("open");
      for (;;) await Promise.all(Array.from({ length: 64 }, (_, i) => log.emit(loaded("c-" + i))));`);
    const ended = death(child);
    await new Promise<void>((resolve) => { child.stdout?.once("data", () => { resolve(); }); });
    await sleep(200);
    child.kill("SIGKILL");
    expect((await ended).signal).toBe("SIGKILL");
  }
  const log = await openLog(dir, { sinks: sinkTo(server) });
  await log[Symbol.asyncDispose]();
  const records = recordsOf(dir);
  expect(records.filter(({ type }) => type === "AuditOpened")).toHaveLength(4);
  expect((await streamLines(await server.client())).map((line) => (JSON.parse(line) as { seq: number }).seq)).toEqual(records.map(({ seq }) => seq));
});

test("a process that never closes its trail ends when it has nothing left to do", async (ctx) => {
  const server = await NatsServer.start(present(ctx, debian));
  const dir = newFolder();
  const child = startProgram(home, dir, `
    import { natsSink } from "./lib/audit/sinks/nats.js";
    const log = await AuditLog.open(dir, { sinks: [natsSink({ servers: "${server.url}", createStream: true, idleMs: 200 })] });
    await log.emit(loaded());`);
  expect(await death(child)).toMatchObject({ code: 0, stderr: "" });
  const there = await streamLines(await server.client());
  expect(there).toEqual(linesOf(dir).slice(0, there.length));
  expect(there.length).toBeGreaterThan(1);
});

describe("the stream", () => {
  test("keeps one of each where messages are replayed, and refuses deletion and purging", async (ctx) => {
    const server = await NatsServer.start(present(ctx, debian));
    const dir = newFolder();
    const log = await openLog(dir, { sinks: sinkTo(server) });
    await emitMany(log, 20);
    await log[Symbol.asyncDispose]();
    const client = await server.client();
    const manager = await jetstreamManager(client);
    const subject = subjectOf("audit", log.origin);
    const stored = await manager.streams.getMessage(STREAM, { seq: 5 });
    const id = stored?.header.get("Nats-Msg-Id") ?? "";
    expect(await jetstream(client).publish(subject, stored?.data, { msgID: id })).toMatchObject({ duplicate: true, seq: 5 });
    // Beyond the server's memory of ids the expected sequence still keeps a second writing out.
    await expect(jetstream(client).publish(subject, stored?.data, { expect: { lastSubjectSequence: 4 } })).rejects.toThrow("wrong last sequence");
    await expect(manager.streams.deleteMessage(STREAM, 5)).rejects.toThrow();
    await expect(manager.streams.purge(STREAM)).rejects.toThrow();
    expect(await streamLines(client)).toEqual(linesOf(dir));
  });

  test("is shared by many trails that write at once, and none stands in another's way", async (ctx) => {
    const server = await NatsServer.start(present(ctx, debian));
    const dirs = [newFolder(), newFolder(), newFolder()];
    const logs = await Promise.all(dirs.map((dir) => openLog(dir, { sinks: sinkTo(server, { closeMs: 20_000 }) })));
    for (let round = 0; round < 30; round += 1) await Promise.all(logs.map((log) => emitMany(log, 40)));
    await Promise.all(logs.map((log) => log[Symbol.asyncDispose]()));
    const lines = await streamLines(await server.client());
    for (const [i, dir] of dirs.entries()) {
      expect(lines.filter((line) => line.includes(`"origin":"${logs[i]?.origin ?? ""}"`))).toEqual(linesOf(dir));
    }
  });

  test.for([
    ["deletion", { deny_delete: false, deny_purge: true }, "deny_delete is off"],
    ["purging", { deny_delete: true, deny_purge: false }, "deny_purge is off"],
    ["only memory", { deny_delete: true, deny_purge: true, storage: "memory" }, "storage is not file"],
    ["old messages giving way", { deny_delete: true, deny_purge: true, max_msgs: 10, discard: "old" }, "discard is not new"],
  ] as const)("with %s is refused, unless the operator wants it; then it is warned of", async ([, config, problem], ctx) => {
    const server = await NatsServer.start(present(ctx, debian));
    const client = await server.client();
    const manager = await jetstreamManager(client);
    await manager.streams.add({ name: STREAM, subjects: ["audit.*"], ...config });
    const dir = newFolder();
    const refused = await openLog(dir, { sinks: sinkTo(server) });
    await eventually(() => recordsOf(dir).some(({ type }) => type === "AuditSinkFailed"), "the refusal is recorded");
    await refused[Symbol.asyncDispose]();
    expect(recordsOf(dir).find(({ type }) => type === "AuditSinkFailed")?.details?.["message"]).toContain(problem);
    expect(await streamLines(client)).toEqual([]);
    const said: string[] = [];
    const logger = { warn: (_: object, message: string) => { said.push(message); }, error: () => undefined };
    await (await openLog(dir, { sinks: sinkTo(server, { allowWeakStream: true }), logger }))[Symbol.asyncDispose]();
    expect(said[0]).toContain(problem);
    expect((await streamLines(client)).length).toBeGreaterThan(0);
  });
});

describe("a host that was rolled back", () => {
  test.for(["LOCAL_SHORTER", "LOCAL_FORKED"])("is found by the stream (%s), is unhealthy, and overwrites nothing", async (reason, ctx) => {
    const server = await NatsServer.start(present(ctx, debian));
    const dir = newFolder();
    const first = await openLog(dir, { sinks: sinkTo(server), checkpoints: false });
    await first[Symbol.asyncDispose]();
    const copy = `${dir}-copy`;
    cpSync(join(dir, "log"), join(copy, "log"), { recursive: true });
    const second = await openLog(dir, { sinks: sinkTo(server), checkpoints: false });
    await emitMany(second, 50);
    await second[Symbol.asyncDispose]();
    const before = await streamLines(await server.client());
    rmSync(join(dir, "log"), { recursive: true });
    cpSync(join(copy, "log"), join(dir, "log"), { recursive: true });
    const registry = new Registry();
    if (reason === "LOCAL_FORKED") await server.kill();
    const third = await openLog(dir, { sinks: sinkTo(server), checkpoints: false, registry });
    if (reason === "LOCAL_FORKED") {
      await emitMany(third, 60);
      await server.start();
    }
    await eventually(() => !third.healthy, "the log says that it is not healthy");
    await third.flush();
    expect(recordsOf(dir).filter(({ type }) => type === "AuditRollbackDetected")).toMatchObject([{ sev: "CRITICAL", reason }]);
    expect(await registry.getSingleMetricAsString("model_loader_audit_healthy")).toContain("model_loader_audit_healthy 0");
    await emitMany(third, 10);
    await third[Symbol.asyncDispose]();
    expect(await streamLines(await server.client())).toEqual(before);
  });
});

test("a package that is missing is named, and no trail is begun", async () => {
  const bare = compiledLibrary();
  rmSync(join(bare, "node_modules"));
  mkdirSync(join(bare, "node_modules"));
  symlinkSync(join(ROOT, "node_modules/prom-client"), join(bare, "node_modules/prom-client"));
  const dir = newFolder();
  const child = startProgram(bare, dir, `
    import { natsSink } from "./lib/audit/sinks/nats.js";
    const options = { sinks: [natsSink({ servers: "nats://127.0.0.1:1" })], lock: () => ({ release() {} }) };
    await AuditLog.open(dir, options).catch((failure) => { console.log(failure.message); });`);
  const { stdout, stderr } = await death(child);
  rmSync(bare, { recursive: true });
  expect(stdout + stderr).toContain("npm install @nats-io/transport-node");
  expect(existsSync(dir)).toBe(false);
});

test.each([
  [{ servers: [] }, "servers"],
  [{ servers: "nats://a", stream: "a b" }, "stream"],
  [{ servers: "nats://a", subjectPrefix: "a.>" }, "subjectPrefix"],
  [{ servers: "nats://a", name: "../x" }, "name"],
  [{ servers: "nats://a", inFlightMax: 0 }, "inFlightMax"],
  [{ servers: "nats://a", closeMs: -1 }, "closeMs"],
])("options that cannot be meant are refused: %j", (options, named) => {
  expect(() => natsSink(options as NatsSinkOptions)).toThrow(named);
});
