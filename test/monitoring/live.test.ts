/** The shipped rules and dashboard on the real Prometheus and Alertmanager, about a real trail whose disk is full. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { dashboard, queries } from "./shipped.ts";
import { standUp } from "./stand.ts";
import type { Sample, Stand } from "./stand.ts";
import { DOUBLE_MS_MAX } from "../support/driver-double.ts";
import { monitoringTools, TOOLS_MS_MAX } from "./tools.ts";

const START_MS_MAX = 60_000;
const WAIT_MS_MAX = 40_000;
/** Before anything goes wrong, so that every rate has its two scrapes. */
const SCRAPES_MIN = 4;
/** More than a restart adds: what was found, and that the trail was opened. */
const CUT_RECORDS = 12;

let found: Stand | string = "the stand could not be built";

beforeAll(async () => {
  const tools = await monitoringTools();
  found = typeof tools === "string" ? tools : await standUp(tools);
}, TOOLS_MS_MAX + DOUBLE_MS_MAX + START_MS_MAX);

afterAll(async () => {
  if (typeof found !== "string") await found[Symbol.asyncDispose]();
}, 30_000);

function stand(ctx: TestContext): Stand {
  return typeof found === "string" ? ctx.skip(found) : found;
}

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > end) throw new Error(`waited ${WAIT_MS_MAX} ms in vain for ${what}`);
    await sleep(250);
  }
}

/** Of the host whose trail is cut and whose disk is filled. */
async function number({ ask, host }: Stand, query: string): Promise<number | undefined> {
  const { result } = await ask<{ result: Sample[] }>("query", { query });
  const sample = result.find(({ metric }) => metric["instance"] === host.address);
  return sample === undefined ? undefined : Number(sample.value[1]);
}

describe("with the real Prometheus and Alertmanager", () => {
  test("all is quiet on a healthy host that accepts and refuses", { timeout: WAIT_MS_MAX }, async (ctx) => {
    const here = stand(ctx);
    await until("some scrapes", async () => {
      await here.host.work();
      return ((await number(here, "count_over_time(up[1m])")) ?? 0) >= SCRAPES_MIN ? true : undefined;
    });
    expect(await number(here, "model_loader_audit_healthy")).toBe(1);
    const { groups } = await here.ask<{ groups: { rules: { name: string; health: string; lastError?: string }[] }[] }>("rules");
    expect(groups.flatMap(({ rules }) => rules).filter(({ health }) => health !== "ok")).toEqual([]);
    const firing = new Set(here.alerts.map(({ labels }) => labels["alertname"]));
    expect([...firing].filter((name) => name !== "ModelLoaderIntegrityViolation")).toEqual([]);
  });

  test("a trail that comes back without its newest records reaches the webhook", { timeout: WAIT_MS_MAX }, async (ctx) => {
    const here = stand(ctx);
    const before = (await number(here, "model_loader_audit_log_size")) ?? 0;
    await here.host.comeBackShorter(CUT_RECORDS);
    const told = await until("the alert", () => here.alerts.find(({ labels }) => labels["alertname"] === "ModelLoaderAuditLogRolledBack"));
    expect(told).toMatchObject({ status: "firing", labels: { severity: "critical", job: "model-loader", instance: here.host.address } });
    expect(await number(here, "model_loader_audit_log_size")).toBeLessThan(before);
  });

  test("a CRITICAL record lost on a full disk reaches the webhook", { timeout: WAIT_MS_MAX * 2 }, async (ctx) => {
    const here = stand(ctx);
    here.host.disk.fill();
    // The last block of the segment may still take a record or two.
    await until("a lost record", async () => ((await here.host.attack()) ? true : undefined));
    await here.host.work();
    const lost = await until("the alert", () => here.alerts.find(({ labels }) => labels["alertname"] === "ModelLoaderCriticalAuditEmitFailure"));
    expect(lost).toMatchObject({
      status: "firing",
      labels: { severity: "critical", job: "model-loader", instance: here.host.address, reason: expect.stringMatching(/^(?:enospc|poisoned)$/u) as string },
      annotations: { runbook_url: "monitoring/RUNBOOK.md#modelloadercriticalauditemitfailure" },
    });
    const told = ["ModelLoaderAuditEmitFailure", "ModelLoaderAuditUnhealthy", "ModelLoaderAuditReserveGone", "ModelLoaderPathTraversal", "ModelLoaderAuditUnavailable", "ModelLoaderIntegrityViolation"];
    for (const name of told) await until(name, () => here.alerts.find(({ labels }) => labels["alertname"] === name));
  });

  test("every query of the dashboard is answered with numbers", { timeout: WAIT_MS_MAX }, async (ctx) => {
    const { ask } = stand(ctx);
    const wrong: string[] = [];
    for (const { of, expr } of queries) {
      const query = substituted(expr);
      const { result } = await ask<{ result: Sample[] }>("query", { query }).catch((failure: unknown) => { throw new Error(`${of}: ${query}`, { cause: failure }); });
      if (!result.some(({ value: [, text] }) => Number.isFinite(Number(text)))) wrong.push(`${of}: ${query}: ${JSON.stringify(result)}`);
    }
    expect(wrong).toEqual([]);
  });

  test("the dashboard's variables find the hosts", async (ctx) => {
    const { ask, addresses } = stand(ctx);
    const values: Record<string, string[]> = {};
    for (const { name, definition } of dashboard.templating.list) {
      const [, match = "", label = ""] = /^label_values\((.+), (\w+)\)$/u.exec(definition ?? "") ?? [];
      if (label !== "") values[name] = await ask<string[]>(`label/${label}/values`, { "match[]": substituted(match) });
    }
    expect(values).toEqual({ job: ["model-loader"], instance: addresses.toSorted() });
  });
});

/** As Grafana would send it, with everything chosen. */
function substituted(expr: string): string {
  const values: Record<string, string> = { job: ".*", instance: ".*", __range: "5m", __rate_interval: "1m" };
  return expr.replace(/\$(\w+)/gu, (variable, name: string) => values[name] ?? variable);
}
