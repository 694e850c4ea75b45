/** The mirror in OpenTelemetry's logs: the real SDK, the real OTLP/HTTP exporter, and a server of our own that takes what arrives. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { logs } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { otelSink } from "../../lib/audit/sinks/otel.ts";
import { denial, linesOf, loaded, newFolder } from "../audit/support.ts";
import { metricOf } from "./support.ts";

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface Arrived {
  readonly timeUnixNano: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName?: string;
  readonly body: { readonly stringValue: string };
  readonly attributes: readonly Attribute[];
  readonly traceId?: string;
  readonly spanId?: string;
}

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

/** A collector that keeps what it is sent. */
async function collector(): Promise<{ url: string; arrived: Arrived[] }> {
  const arrived: Arrived[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part)).on("end", () => {
      const body = JSON.parse(Buffer.concat(parts).toString("utf8")) as { resourceLogs: { scopeLogs: { logRecords: Arrived[] }[] }[] };
      arrived.push(...body.resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords)));
      response.setHeader("content-type", "application/json").end("{}");
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => { server.closeAllConnections(); server.close(); });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/logs`, arrived };
}

function providerTo(url: string): LoggerProvider {
  const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter({ url }) })] });
  onTestFinished(() => provider.shutdown());
  return provider;
}

const attribute = ({ attributes }: Arrived, key: string): unknown => {
  const value = attributes.find((one) => one.key === key)?.value;
  return value?.["stringValue"] ?? value?.["intValue"];
};

test("every record arrives once, in order, with its severity, its nanoseconds, its trace and its own line", async () => {
  const { url, arrived } = await collector();
  const dir = newFolder();
  const log = await AuditLog.open(dir, { sinks: [otelSink({ loggerProvider: providerTo(url) })] });
  await log.emit({ ...denial("a\nb"), traceId: `00-${TRACE}-00f067aa0ba902b7-01` });
  await Promise.all(Array.from({ length: 200 }, (_, i) => log.emit(loaded(`c-${i}`))));
  await log[Symbol.asyncDispose]();

  expect(arrived.map((one) => attribute(one, "log.record.original"))).toEqual(linesOf(dir));
  const denied = arrived[1];
  expect(denied).toMatchObject({
    severityNumber: 21, severityText: "CRITICAL", eventName: "model_loader.audit.PathTraversalAttempt",
    traceId: TRACE, spanId: "00f067aa0ba902b7", body: { stringValue: "PathTraversalAttempt: denied" },
  });
  const line = JSON.parse(linesOf(dir)[1] ?? "") as { time: string };
  expect(denied?.timeUnixNano.slice(-9)).toBe(line.time.slice(-10, -1));
  expect(attribute(denied as Arrived, "model_loader.audit.correlation_id")).toBe("a\\u{000A}b");
  expect(attribute(denied as Arrived, "file.path")).toBe("../../etc/passwd");
  expect(arrived[2]).toMatchObject({ severityNumber: 9, severityText: "INFO" });
});

test("the host's global provider is used where none is given", async () => {
  const { url, arrived } = await collector();
  const provider = providerTo(url);
  logs.setGlobalLoggerProvider(provider);
  onTestFinished(() => { logs.disable(); });
  const log = await AuditLog.open(newFolder(), { sinks: [otelSink()] });
  await log.emit(denial());
  await log[Symbol.asyncDispose]();
  await provider.forceFlush();
  expect(arrived.map(({ severityText }) => severityText)).toEqual(["INFO", "CRITICAL", "INFO"]);
});

test("a provider that throws is counted, and reaches neither the emit nor the end of the trail", async () => {
  const registry = new Registry();
  const loggerProvider = { getLogger: () => ({ emit: () => { throw new Error("full"); }, enabled: () => true }), forceFlush: () => Promise.reject(new Error("gone")) };
  const dir = newFolder();
  const log = await AuditLog.open(dir, { registry, sinks: [otelSink({ loggerProvider })] });
  await log.emit(denial());
  await log[Symbol.asyncDispose]();
  expect(linesOf(dir)).toHaveLength(3);
  expect(await metricOf(registry, "failures_total", "otel")).toBe(4);
  expect(await metricOf(registry, "lag_records", "otel")).toBe(0);
});

test("a collector that does not answer holds up closing no longer than it may", async () => {
  const log = await AuditLog.open(newFolder(), { sinks: [otelSink({ closeMs: 100, loggerProvider: { getLogger: () => ({ emit: () => undefined, enabled: () => true }), forceFlush: () => new Promise(() => undefined) } as never })] });
  await log.emit(denial());
  const began = performance.now();
  await log[Symbol.asyncDispose]();
  expect(performance.now() - began).toBeLessThan(5_000);
});

test("options that would not do are named", () => {
  expect(() => otelSink({ closeMs: -1 })).toThrow("closeMs");
  expect(() => otelSink({ name: "Not A Label" })).toThrow(TypeError);
});
