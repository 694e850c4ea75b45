import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { tinyModel } from "../fixtures/models.mjs";
import { gate } from "../support/gate.ts";

const bytes = tinyModel().bytes();

describe("disposal of a loader", () => {
  test("closes its models, records their end and flushes the log", async () => {
    const { root, loader, records } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    const models = [await loader.load("m.gguf"), await loader.load("m.gguf")];
    const paths = models.map(({ path }) => path);
    await loader[Symbol.asyncDispose]();
    expect(models.map(({ disposed }) => disposed)).toEqual([true, true]);
    expect(paths.some((path) => existsSync(path))).toBe(false);
    expect((await records()).filter(({ type }) => type === "ModelUnloaded")).toMatchObject([
      { details: { reason: "loader disposed" } }, { details: { reason: "loader disposed" } },
    ]);
  });

  test("twice is once, and also when it is synchronous", async () => {
    const { root, loader, records } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    const model = await loader.load("m.gguf");
    loader[Symbol.dispose]();
    loader[Symbol.dispose]();
    await loader[Symbol.asyncDispose]();
    expect(model.disposed).toBe(true);
    expect((await records()).filter(({ type }) => type === "ModelUnloaded")).toHaveLength(1);
  });

  test("by await using happens at the end of the block", async () => {
    const { root, loader, records } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    {
      await using model = await loader.load("m.gguf");
      expect(model.disposed).toBe(false);
    }
    expect((await records()).at(-1)).toMatchObject({ type: "ModelUnloaded", details: { reason: "disposed" } });
  });
});

describe("a model that is dropped without disposal", () => {
  test("is closed and recorded when it is collected", async () => {
    const { root, loader, records, metric } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    await loader.load("m.gguf");
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    for (let tries = 0; tries < 50 && (await metric("model_loader_models_open")) > 0; tries++) {
      collect();
      await sleep(20);
    }
    expect(await metric("model_loader_models_open")).toBe(0);
    await sleep(50);
    expect((await records()).at(-1)).toMatchObject({ type: "ModelUnloaded", details: { reason: "garbage collected" } });
  });
});
