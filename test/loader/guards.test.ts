/** Guards as a host sees them: their names, their ends, and what the trail and the metrics say of both. */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { tinyModel } from "../fixtures/models.mjs";
import { gate, refusal } from "../support/gate.ts";

const bytes = tinyModel().bytes();

function overwrite(path: string): void {
  const fd = openSync(path, "r+");
  writeSync(fd, "evil", bytes.length - 4);
  closeSync(fd);
}

describe("a guard", () => {
  test("is a lease where nobody writes, and stands in the record", async () => {
    const { root, loader, records } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    const model = await loader.load("m.gguf");
    expect(model.guard).toBe("leased");
    expect(model.guardBroken).toBe(false);
    expect(model.guardSignal.aborted).toBe(false);
    expect((await records()).at(-1)).toMatchObject({ type: "ModelLoaded", details: { guard: "leased", minGuard: "pinned" } });
  });

  test("that was refused by a writer is named with its reason, or the load is refused", async () => {
    const { root, loader, records } = await gate();
    const path = join(root, "m.gguf");
    writeFileSync(path, bytes);
    const fd = openSync(path, "r+");
    try {
      const model = await loader.load("m.gguf");
      expect(model.guard).toBe("pinned");
      expect(model.guardShortfall).toContain("EAGAIN");
      const error = await refusal(loader.load("m.gguf", { minGuard: "leased" }));
      expect(error).toMatchObject({ code: "GUARD_UNAVAILABLE", severity: "HIGH", expected: "leased", actual: "pinned" });
      expect((await records()).at(-1)).toMatchObject({
        type: "ModelLoadFailed", sev: "HIGH", outcome: "denied", reason: "GUARD_UNAVAILABLE", details: { minGuard: "leased" },
      });
    } finally {
      closeSync(fd);
    }
  });

  test("that breaks is told by signal, record and metric, once", async () => {
    const { root, loader, records, metric } = await gate();
    const path = join(root, "m.gguf");
    writeFileSync(path, bytes);
    const model = await loader.load("m.gguf");
    const told = new Promise((resolve) => { model.guardSignal.addEventListener("abort", resolve); });
    // The writer is this very thread: were the lease kept, it would wait for it for 45 seconds.
    overwrite(path);
    await told;
    expect(model.guardSignal.reason).toMatchObject({ code: "GUARD_BROKEN" });
    expect(model.guard).toBe("pinned");
    expect(model.guardBroken).toBe(true);
    await model[Symbol.asyncDispose]();
    expect(await metric("model_loader_guard_breaks_total")).toBe(1);
    const broken = (await records()).filter(({ type }) => type === "GuardBroken");
    expect(broken).toMatchObject([{ sev: "HIGH", action: "model.guard", target: { sha256: model.sha256 } }]);
  });

  test("that broke unnoticed is found at the end of the model's life, before its unloading", async () => {
    const { root, loader, records } = await gate();
    const path = join(root, "m.gguf");
    writeFileSync(path, bytes);
    const model = await loader.load("m.gguf");
    overwrite(path);
    await model[Symbol.asyncDispose]();
    expect(model.guard).toBe("pinned");
    expect((await records()).slice(-2).map(({ type }) => type)).toEqual(["GuardBroken", "ModelUnloaded"]);
  });

  test("that is sealed memory outlives any writer", async () => {
    const { root, loader } = await gate({ minGuard: "sealed" });
    const path = join(root, "m.gguf");
    writeFileSync(path, bytes);
    const model = await loader.load("m.gguf");
    overwrite(path);
    expect(model.guard).toBe("sealed");
    expect(readFileSync(model.path)).toEqual(Buffer.from(bytes));
    await sleep(1100);
    expect(model.guardSignal.aborted).toBe(false);
  });

  test("stands after disposal as it was", async () => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    const model = await loader.load("m.gguf");
    await model[Symbol.asyncDispose]();
    expect(model.guard).toBe("leased");
    expect(model.guardBroken).toBe(false);
  });

  test("of an unknown name is no option", async () => {
    const { loader } = await gate();
    for (const option of ["guard", "minGuard"]) {
      await expect(loader.load("m.gguf", { [option]: "strong" })).rejects.toThrow(new RegExp(`^${option} must be one of `, "u"));
    }
  });
});
