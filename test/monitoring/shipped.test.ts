/** The parts of monitoring/ agree with each other and with the metrics that there are. No tool is needed for this. */
import { describe, expect, test } from "vitest";
import { SinkMeter } from "../../lib/audit/sinks/metrics.ts";
import { gate } from "../support/gate.ts";
import { alertNames, dashboard, dashboardText, metricNames, queries, readmeText, rulesTestText, rulesText, runbookText } from "./shipped.ts";

/** Names that the rules' tests show to be wrong. */
const LITERAL_NAMES = new Set(["model_loader_audit_emit_failures"]);

describe("every metric name exists in the registry:", () => {
  test.each([
    ["the rules", rulesText], ["the rules' tests", rulesTestText], ["the dashboard", dashboardText], ["the runbook", runbookText], ["the README", readmeText],
  ])("%s", async (_, text) => {
    const { registry } = await gate();
    new SinkMeter("any").attach(registry);
    const known = new Set(registry.getMetricsAsArray().map(({ name }) => name));
    const named = [...metricNames(text)].filter((name) => !LITERAL_NAMES.has(name));
    expect(named).not.toEqual([]);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });
});

describe("every alert", () => {
  test.each(alertNames)("%s has a severity, a summary, a runbook entry and a test that it fires and one that it is silent", (name) => {
    const rule = rulesText.split(/^ +- (?=alert:|record:)/mu).find((text) => text.startsWith(`alert: ${name}\n`)) ?? "";
    expect(rule).toMatch(/severity: (?:critical|warning)$/mu);
    expect(rule).toMatch(/summary: .+/u);
    expect(rule).toContain(`runbook_url: monitoring/RUNBOOK.md#${name.toLowerCase()}\n`);
    expect(runbookText).toContain(`\n## ${name}\n`);
    expect(rulesTestText).toMatch(new RegExp(`alertname: ${name}(?:, exp_alerts|\n +exp_alerts)`, "u"));
    expect(rulesTestText).toMatch(new RegExp(`alertname: ${name} \\}`, "u"));
  });

  test("of the runbook exists", () => {
    const entries = [...runbookText.matchAll(/^## (ModelLoader\w+)$/gmu)].map(([, name]) => name);
    expect(entries).toEqual(alertNames);
  });
});

describe("the dashboard", () => {
  test("has a stable uid, its variables, and rates over the interval that Grafana chooses", () => {
    expect(dashboard.uid).toBe("model-loader-gate");
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(["datasource", "job", "instance"]);
    for (const { of, expr } of queries) {
      expect(expr, of).toMatch(/job=~"\$job", instance=~"\$instance"/u);
      expect(expr, of).not.toMatch(/(?:rate|increase)\([^[]*\[\d/u);
    }
  });

  test("gives every panel a unit and every stat thresholds, and lays no two panels over each other", () => {
    const taken = new Set<string>();
    for (const { title, type, fieldConfig, gridPos: { x, y, w, h } } of dashboard.panels) {
      if (type !== "row") expect(fieldConfig?.defaults.unit, title).toBeDefined();
      if (type === "stat") expect(fieldConfig?.defaults.thresholds?.steps.length, title).toBeGreaterThan(0);
      for (let cell = 0; cell < w * h; cell += 1) {
        const place = `${x + (cell % w)},${y + Math.floor(cell / w)}`;
        expect(taken.has(place), `${title} at ${place}`).toBe(false);
        taken.add(place);
      }
    }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });
});
