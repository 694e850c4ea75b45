import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { string, writeGguf } from "../fixtures/gguf-writer.mjs";
import { tinyModel, tinyModelSpec, writeSparseModel } from "../fixtures/models.mjs";
import { gate, refusal } from "../support/gate.ts";

describe("an inspection", () => {
  test("tells the header of a model of any size at once and says that it is unverified", async () => {
    const { root, loader, metric } = await gate();
    const file = writeSparseModel(join(root, "big.gguf"), 2 ** 40);
    const report = await loader.inspect("big.gguf");
    expect(report).toMatchObject({ verified: false, sizeBytes: 2 ** 40 });
    expect(report.gguf.tensorCount).toBe(file.tensors.length);
    expect(report).not.toHaveProperty("sha256");
    expect(await metric("model_loader_bytes_hashed_total")).toBe(0);
  });

  test("is no decision: success leaves no record, a refusal does", async () => {
    const { root, loader, records } = await gate();
    writeFileSync(join(root, "m.gguf"), tinyModel().bytes());
    const before = (await records()).length;
    await loader.inspect("m.gguf");
    expect(await records()).toHaveLength(before);
    await refusal(loader.inspect("absent"));
    expect((await records()).at(-1)).toMatchObject({ type: "ModelLoadFailed", action: "model.inspect", reason: "NOT_FOUND" });
  });

  test("shows what would crash an engine, and refuses it on demand", async () => {
    const { root, loader } = await gate({ engineSafety: true });
    const spec = tinyModelSpec();
    writeGguf({ ...spec, metadata: [...spec.metadata, ["llama.rope.scaling.type", string("none of them")]] }).save(join(root, "m.gguf"));
    expect((await loader.inspect("m.gguf")).gguf.metadata("llama.rope.scaling.type")).toBe("none of them");
    expect(await refusal(loader.inspect("m.gguf", { engineSafety: true }))).toMatchObject({ code: "GGUF_ENGINE_UNSAFE" });
    expect(await refusal(loader.load("m.gguf"))).toMatchObject({ code: "GGUF_ENGINE_UNSAFE" });
  });

  test("sees that tensors reach beyond the file's end", async () => {
    const { root, loader } = await gate();
    const file = tinyModel();
    writeFileSync(join(root, "m.gguf"), file.bytes().subarray(0, file.dataOffset + 4));
    expect(await refusal(loader.inspect("m.gguf"))).toMatchObject({ code: "GGUF_TRUNCATED" });
  });
});
