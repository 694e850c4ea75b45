/** What monitoring/ ships, as the tests read it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const RULES = fileURLToPath(new URL("../../monitoring/model-loader.rules.yml", import.meta.url));
export const RULES_TEST = fileURLToPath(new URL("../../monitoring/model-loader.rules.test.yml", import.meta.url));

export const rulesText = readFileSync(RULES, "utf8");
export const rulesTestText = readFileSync(RULES_TEST, "utf8");
export const dashboardText = readFileSync(new URL("../../monitoring/dashboard.json", import.meta.url), "utf8");
export const runbookText = readFileSync(new URL("../../monitoring/RUNBOOK.md", import.meta.url), "utf8");
export const readmeText = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

export const alertNames: readonly string[] = [...rulesText.matchAll(/^ +- alert: (\w+)$/gmu)].map(([, name]) => name ?? "");

interface Target { readonly expr: string }
export interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string; readonly thresholds?: { readonly steps: readonly unknown[] } } };
}
interface Variable { readonly name: string; readonly type: string; readonly definition?: string }
export interface Dashboard {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: { readonly list: readonly (Target & { readonly name: string })[] };
}
export const dashboard = JSON.parse(dashboardText) as Dashboard;

/** Every query of the dashboard, with the name of what shows it. */
export const queries: readonly { readonly of: string; readonly expr: string }[] = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ of: title, expr }))),
  ...dashboard.annotations.list.map(({ name, expr }) => ({ of: `annotation ${name}`, expr })),
];

/** Metric names in a text, without the suffixes that a histogram's series add; recorded names are not the registry's. */
export function metricNames(text: string): Set<string> {
  const names = [...text.matchAll(/(?<![\w:.])(model_loader_[a-z_]+)/gu)].map(([name]) => name);
  return new Set(names.map((name) => name.replace(/(_seconds)_(?:bucket|sum|count)$/u, "$1")));
}
