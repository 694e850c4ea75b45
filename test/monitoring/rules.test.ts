/** promtool's own judgement of the rules, and of what they do with a hundred scrapes. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { RULES, RULES_TEST } from "./shipped.ts";
import { monitoringTools, TOOLS_MS_MAX } from "./tools.ts";
import type { Tools } from "./tools.ts";

let found: Tools | string;

beforeAll(async () => { found = await monitoringTools(); }, TOOLS_MS_MAX);

async function promtool(ctx: TestContext, args: readonly string[]): Promise<string> {
  if (typeof found === "string") return ctx.skip(found);
  const [program = "", ...first] = found.promtool;
  const { stdout, stderr } = await promisify(execFile)(program, [...first, ...args]).catch((failure: unknown) => {
    const { stdout, stderr } = failure as { stdout: string; stderr: string };
    throw new Error(`promtool ${args.join(" ")} failed:\n${stdout}${stderr}`);
  });
  return stdout + stderr;
}

describe("the rules", () => {
  test("are rules", async (ctx) => {
    expect(await promtool(ctx, ["check", "rules", "--lint=all", "--lint-fatal", RULES])).toMatch(/SUCCESS: \d+ rules found/u);
  });

  test("fire when they must and are silent when they must be", { timeout: 120_000 }, async (ctx) => {
    expect(await promtool(ctx, ["test", "rules", RULES_TEST])).toContain("SUCCESS");
  });
});
