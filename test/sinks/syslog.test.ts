/** The syslog sink against a real rsyslogd: what it understands of each record, outages, and hostile text. */
import { createServer } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { TestContext } from "vitest";
import { fileSource } from "../../lib/audit/central/file-source.ts";
import { verifyCentral } from "../../lib/audit/central/verify-central.ts";
import { syslogSink } from "../../lib/audit/sinks/syslog.ts";
import type { SyslogSinkOptions } from "../../lib/audit/sinks/syslog.ts";
import { compiledLibrary, death, denial, linesOf, loaded, newFolder, openLog, recordsOf, startProgram } from "../audit/support.ts";
import { INSTALL_MS_MAX } from "../support/debian.ts";
import { rsyslogd, SyslogServer } from "./rsyslog.ts";
import type { Rsyslog } from "./rsyslog.ts";
import { eventually, metricOf } from "./support.ts";

let program: Rsyslog | string = "not looked for yet";
let home = "";

beforeAll(async () => {
  program = await rsyslogd();
  home = compiledLibrary();
}, INSTALL_MS_MAX);

afterAll(() => { rmSync(home, { recursive: true, force: true }); });

function present(ctx: TestContext): Rsyslog {
  return typeof program === "string" ? ctx.skip(program) : program;
}

function sinkTo(server: SyslogServer, more: Partial<SyslogSinkOptions> = {}): ReturnType<typeof syslogSink> {
  return syslogSink({ transport: "tcp", host: "127.0.0.1", port: server.port, closeMs: 10_000, ...more });
}

describe.each(["tcp", "tls", "udp"] as const)("over %s", (transport) => {
  test("the server understands every record, with its severity, type and bytes", async (ctx) => {
    const server = await SyslogServer.start(present(ctx), transport);
    const dir = newFolder();
    const more = transport === "tls" ? { tls: { ca: server.certificate } } : {};
    const log = await openLog(dir, { sinks: [sinkTo(server, { transport, ...more })] });
    for (let i = 0; i < 20; i += 1) await log.emit(i % 2 === 0 ? denial(`c-${i}`) : loaded(`c-${i}`));
    await log[Symbol.asyncDispose]();
    await eventually(() => server.received().length >= 22, "everything is written");
    const records = recordsOf(dir);
    expect(server.received().map(({ message }) => message)).toEqual(linesOf(dir));
    const severities: Readonly<Record<string, number>> = { CRITICAL: 2, HIGH: 3, INFO: 6 };
    expect(server.received().map(({ facility, severity, host, app, procid, msgid }) => ({ facility, severity, host, app, procid, msgid }))).toEqual(
      records.map(({ sev, type }) => ({ facility: 13, severity: severities[sev], host: hostname(), app: "model-loader", procid: String(process.pid), msgid: type })));
    expect(server.received().map(({ time }) => Date.parse(time))).toEqual(records.map(({ time }) => Date.parse(String(time))));
    expect(server.received()[3]?.data).toBe(`[origin software="model-loader" swVersion="${(records[3]?.["proc"] as { version: string }).version}"][meta sequenceId="4"]`);
  });
});

test("a server that is not the one of the certificate is sent nothing", async (ctx) => {
  const server = await SyslogServer.start(present(ctx), "tls");
  const dir = newFolder();
  const log = await openLog(dir, { sinks: [sinkTo(server, { transport: "tls", closeMs: 500 })] });
  await eventually(() => recordsOf(dir).some(({ type }) => type === "AuditSinkFailed"), "the failure is recorded");
  await log[Symbol.asyncDispose]();
  expect(recordsOf(dir).find(({ type }) => type === "AuditSinkFailed")?.details?.["message"]).toMatch(/self.signed certificate/u);
  expect(server.received()).toEqual([]);
});

describe("an outage", () => {
  test("of a server that is killed and comes back leaves no gap; what is uncertain is sent again, and the chain is whole", async (ctx) => {
    const server = await SyslogServer.start(present(ctx), "tcp");
    const dir = newFolder();
    const registry = new Registry();
    const log = await openLog(dir, { sinks: [sinkTo(server)], registry, segmentBytes: 200_000 });
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 700 }, (_, i) => log.emit(loaded(`c-${round}-${i}`))));
      await sleep(50);
      // What it gets from now on is taken by the system, read by nobody, and lost with it.
      server.freeze();
      await Promise.all(Array.from({ length: 20 }, (_, i) => log.emit(loaded(`f-${round}-${i}`))));
      await sleep(100);
      await server.kill();
      await Promise.all(Array.from({ length: 700 }, (_, i) => log.emit(loaded(`d-${round}-${i}`))));
      await server.start();
    }
    await log[Symbol.asyncDispose]();
    expect(await metricOf(registry, "lag_records", "syslog")).toBe(0);
    const path = join(server.folder, "messages");
    await eventually(() => server.received().some(({ msgid }) => msgid === "AuditClosed"), "the last record is written");
    writeFileSync(path, server.received().map(({ message }) => `${message}\n`).join(""));
    const [report] = await verifyCentral(await fileSource(path), { dir });
    expect(report).toMatchObject({ records: log.size, notArrived: 0, closed: true });
    expect(report?.damage).toBeUndefined();
  });

  test("of a process that is killed is made up for by the next, from its cursor on", async (ctx) => {
    const server = await SyslogServer.start(present(ctx), "tcp");
    const dir = newFolder();
    const child = startProgram(home, dir, `
      import { syslogSink } from "./lib/audit/sinks/syslog.js";
      const log = await AuditLog.open(dir, { sinks: [syslogSink({ transport: "tcp", host: "127.0.0.1", port: ${server.port} })] });
      setInterval(() => { for (let i = 0; i < 50; i += 1) void log.emit(loaded("c-" + i)); }, 10);
      setTimeout(() => { console.log("now"); }, 2500);`);
    const ended = death(child);
    await new Promise<void>((resolve) => { child.stdout?.once("data", () => { resolve(); }); });
    child.kill("SIGKILL");
    await ended;
    const before = server.received().length;
    const log = await openLog(dir, { sinks: [sinkTo(server)] });
    await log[Symbol.asyncDispose]();
    await eventually(() => server.received().some(({ msgid }) => msgid === "AuditClosed"), "the last record is written");
    const seqs = server.received().map(({ message }) => (JSON.parse(message) as { seq: number }).seq);
    expect(new Set(seqs).size).toBe(log.size);
    // The cursor was used: the second process did not begin at the beginning.
    expect(seqs.slice(before).indexOf(0)).toBe(-1);
  }, 60_000);

  test("at the end of a server that reads nothing does not hold up the closing", async () => {
    const deaf = createServer((socket) => { socket.pause(); });
    await new Promise<void>((resolve) => { deaf.listen(0, "127.0.0.1", resolve); });
    onTestFinished(() => { deaf.close(); });
    const { port } = deaf.address() as { port: number };
    const log = await openLog(newFolder(), { sinks: [syslogSink({ transport: "tcp", host: "127.0.0.1", port, closeMs: 300 })] });
    await log.emit(loaded());
    const started = performance.now();
    await log[Symbol.asyncDispose]();
    expect(performance.now() - started).toBeLessThan(3_000);
  });

  test("without end lets the process exit by itself", async () => {
    const dir = newFolder();
    const child = startProgram(home, dir, `
      import { syslogSink } from "./lib/audit/sinks/syslog.js";
      const log = await AuditLog.open(dir, { sinks: [syslogSink({ transport: "tcp", host: "127.0.0.1", port: 1 })] });
      await log.emit(loaded());`);
    expect(await death(child)).toMatchObject({ code: 0, stderr: "" });
  });
});

test("hostile text cannot make a second record, in either format", async (ctx) => {
  const server = await SyslogServer.start(present(ctx), "tcp");
  const evil = "x\n<0>1 2026-01-01T00:00:00Z evil evil - - - forged\r\n\0\u2028]\"|=\\ 99 <0>1 - - - - - - forged";
  for (const format of ["line", "cef"] as const) {
    const dir = newFolder();
    const log = await openLog(dir, { sinks: [sinkTo(server, { format, enterpriseNumber: 99_999 })] });
    await log.emit({ type: "PathTraversalAttempt", outcome: "denied", action: evil, reason: evil, actor: evil, correlationId: evil, traceId: evil, target: { path: evil }, details: { message: evil } });
    await log[Symbol.asyncDispose]();
  }
  await eventually(() => server.received().length >= 6, "everything is written");
  await sleep(100);
  const received = server.received();
  expect(received.map(({ msgid, app }) => [msgid, app])).toEqual([1, 2].flatMap(() => ["AuditOpened", "PathTraversalAttempt", "AuditClosed"].map((type) => [type, "model-loader"])));
  expect(received[1]?.data).toMatch(/\[audit@99999 origin="[^"]+" seq="1" leaf="[0-9a-f]{64}"\]$/u);
  expect(received[4]?.message).toMatch(/^CEF:0\|/u);
});

test("a Unix stream socket takes the same frames", async () => {
  const folder = mkdtempSync(join(tmpdir(), "syslog-"));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
  const path = join(folder, "log");
  let got = "";
  const server = createServer((socket) => { socket.setEncoding("utf8").on("data", (text: string) => { got += text; }); });
  await new Promise<void>((resolve) => { server.listen(path, resolve); });
  onTestFinished(() => { server.close(); });
  const dir = newFolder();
  const log = await openLog(dir, { sinks: [syslogSink({ transport: "unix", path, closeMs: 5_000 })] });
  await log[Symbol.asyncDispose]();
  const frames: string[] = [];
  while (got !== "") {
    const [head = "", digits = "0"] = /^(\d+) /u.exec(got) ?? [];
    frames.push(got.slice(head.length, head.length + Number(digits)));
    got = got.slice(head.length + Number(digits));
    if (head === "") throw new Error("no frame");
  }
  expect(frames.map((frame) => frame.slice(frame.indexOf("{")))).toEqual(linesOf(dir));
});

test.each([
  [{ transport: "tcp" }, "host"],
  [{ transport: "unix" }, "path"],
  [{ transport: "carrier-pigeon", host: "a" }, "transport"],
  [{ transport: "tcp", host: "a", port: 0 }, "port"],
  [{ transport: "tcp", host: "a", facility: 24 }, "facility"],
  [{ transport: "tcp", host: "a", format: "xml" }, "format"],
  [{ transport: "tcp", host: "a", enterpriseNumber: 1.5 }, "enterpriseNumber"],
])("options that cannot be meant are refused: %j", (options, named) => {
  expect(() => syslogSink(options as SyslogSinkOptions)).toThrow(named);
});
