/** The gate against the engine itself: nothing that the gate accepts may end a process that runs node-llama-cpp. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { ModelLoader } from "../../lib/index.ts";
import { writeGguf } from "../fixtures/gguf-writer.mjs";
import { FETCH_MS_MAX, fetched } from "../support/fetched.ts";
import type { Fetched } from "../support/fetched.ts";
import { refusal } from "../support/gate.ts";
import { MUTATIONS } from "./mutations.ts";
import type { Mutation } from "./mutations.ts";

const LOAD_MS_MAX = 120_000;
const loadScript = fileURLToPath(new URL("load.mjs", import.meta.url));

const accepted = MUTATIONS.filter(({ field }) => field === undefined);
const deadly = MUTATIONS.filter(({ kills }) => kills);

let root: string;
let loader: ModelLoader;
let engine: Fetched;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "engine-"));
  MUTATIONS.forEach((mutation) => { writeGguf(mutation.spec).save(join(root, fileOf(mutation))); });
  loader = await ModelLoader.open({ root, audit: "disabled" });
  engine = await fetched("engine-fixtures.mjs");
}, FETCH_MS_MAX + 10_000);

afterAll(async () => {
  await loader[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

const fileOf = (mutation: Mutation): string => `${MUTATIONS.indexOf(mutation)}.gguf`;

/** Loads the files in a process of its own; the lines that it wrote and how it ended. */
function load(context: TestContext, mutations: readonly Mutation[]): { lines: string[]; ended: string } {
  if ("reason" in engine) return context.skip(engine.reason);
  const files = mutations.map((mutation) => join(root, fileOf(mutation)));
  const { stdout, status, signal } = spawnSync(process.execPath, [loadScript, engine.path, ...files], { encoding: "utf8", timeout: LOAD_MS_MAX });
  return { lines: stdout.trim().split("\n"), ended: signal ?? String(status) };
}

describe("the gate", () => {
  test.each(MUTATIONS.filter(({ field }) => field !== undefined))("refuses $what", async (mutation) => {
    expect(await refusal(loader.load(fileOf(mutation)))).toMatchObject({ code: "GGUF_ENGINE_UNSAFE", field: mutation.field });
    await expect(loader.load(fileOf(mutation), { engineSafety: false })).resolves.toBeDefined();
  });

  test.each(accepted)("accepts $what", async (mutation) => {
    await expect(loader.load(fileOf(mutation))).resolves.toBeDefined();
  });
});

describe("the engine", () => {
  test("outlives every file that the gate accepts, and runs the sound one", (context) => {
    const { lines, ended } = load(context, accepted);
    const last = Number(lines.at(-1)?.match(/(\d+)\.gguf/u)?.[1]);
    expect(ended, `ended at '${MUTATIONS[last]?.what ?? "nothing"}'`).toBe("0");
    expect(lines).toHaveLength(2 * accepted.length);
    expect(lines[1]).toMatch(/ loaded$/u);
  }, LOAD_MS_MAX + 10_000);

  // One that survives shows that the engine was mended; the rule can go once hosts have moved on.
  test.for(deadly)("dies of $what", { timeout: LOAD_MS_MAX }, (mutation, context) => {
    expect(["SIGABRT", "SIGSEGV", "SIGFPE"]).toContain(load(context, [mutation]).ended);
  });
});
