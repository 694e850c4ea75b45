import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { tinyModel, writeSparseModel } from "../fixtures/models.mjs";
import { gate, refusal } from "../support/gate.ts";

const GIB = 2 ** 30;

describe("a load that is stopped", () => {
  test("before it begins reads nothing", async () => {
    const { root, loader, records } = await gate();
    writeFileSync(join(root, "m.gguf"), tinyModel().bytes());
    const error = await refusal(loader.load("m.gguf", { signal: AbortSignal.abort(new Error("no need")) }));
    expect(error).toMatchObject({ code: "ABORTED", severity: "INFO", retriable: true, cause: new Error("no need") });
    expect((await records()).at(-1)).toMatchObject({ type: "ModelLoadFailed", reason: "ABORTED" });
  });

  test("in the middle ends long before the file would", async () => {
    const { root, loader } = await gate();
    writeSparseModel(join(root, "big.gguf"), 8 * GIB);
    const stop = new AbortController();
    const call = refusal(loader.load("big.gguf", { signal: stop.signal }));
    await sleep(100);
    const before = performance.now();
    stop.abort();
    expect(await call).toMatchObject({ code: "ABORTED" });
    expect(performance.now() - before).toBeLessThan(250);
  });

  test("while it waits in line leaves the line, and the others go on", async () => {
    const { root, loader } = await gate({ concurrency: 1 });
    writeSparseModel(join(root, "big.gguf"), GIB / 2);
    const stop = new AbortController();
    const first = loader.load("big.gguf");
    const second = refusal(loader.load("big.gguf", { signal: stop.signal }));
    const third = loader.load("big.gguf");
    stop.abort();
    expect(await second).toMatchObject({ code: "ABORTED" });
    expect((await first).sha256).toBe((await third).sha256);
  });

  test("by a timeout says so", async () => {
    const { root, loader } = await gate();
    writeSparseModel(join(root, "big.gguf"), 8 * GIB);
    const error = await refusal(loader.load("big.gguf", { signal: AbortSignal.timeout(50) }));
    expect(error.cause).toMatchObject({ name: "TimeoutError" });
  });

  test("by the loader's disposal is ABORTED, and later calls are turned away", async () => {
    const { root, loader, records } = await gate();
    writeSparseModel(join(root, "big.gguf"), 8 * GIB);
    const call = refusal(loader.load("big.gguf"));
    await sleep(20);
    await loader[Symbol.asyncDispose]();
    expect(await call).toMatchObject({ code: "ABORTED" });
    expect((await records()).at(-1)).toMatchObject({ reason: "ABORTED" });
    await expect(loader.load("big.gguf")).rejects.toMatchObject({ code: "LOADER_DISPOSED" });
  });
});

describe("progress", () => {
  test("rises to the end and comes at most 20 times a second", async () => {
    const { root, loader } = await gate();
    writeSparseModel(join(root, "big.gguf"), GIB);
    const seen: { bytesDone: number; bytesTotal: number }[] = [];
    const started = performance.now();
    await loader.load("big.gguf", { onProgress: (progress) => { seen.push(progress); } });
    const seconds = (performance.now() - started) / 1000;
    expect(seen.at(-1)).toEqual({ bytesDone: GIB, bytesTotal: GIB });
    expect(seen.map(({ bytesDone }) => bytesDone)).toEqual(seen.map(({ bytesDone }) => bytesDone).sort((a, b) => a - b));
    expect(seen.length).toBeLessThanOrEqual(Math.ceil(seconds * 20) + 1);
  });

  test("that throws stops its own load and nothing else", async () => {
    const { root, loader } = await gate();
    writeSparseModel(join(root, "big.gguf"), 8 * GIB);
    const error = await refusal(loader.load("big.gguf", { onProgress: () => { throw new Error("mine"); } }));
    expect(error).toMatchObject({ code: "ABORTED", cause: new Error("mine") });
  });
});
