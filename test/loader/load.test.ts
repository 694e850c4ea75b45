import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import type { Model } from "../../lib/index.ts";
import { array, bool, f32, i64, string, u32, u64, u8, writeGguf } from "../fixtures/gguf-writer.mjs";
import { tinyModel, tinyModelSpec } from "../fixtures/models.mjs";
import { gate, refusal } from "../support/gate.ts";

const model = tinyModel();
const bytes = model.bytes();
const sha256 = createHash("sha256").update(bytes).digest("hex");

describe("a good model", () => {
  test("comes back with its digest, its size and its header", async () => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    const loaded = await loader.load("m.gguf", { sha256 });
    expect(loaded.sha256).toBe(sha256);
    expect(loaded.sizeBytes).toBe(bytes.length);
    expect(loaded.digestExpected).toBe(true);
    expect(loaded.gguf.version).toBe(3);
    expect(loaded.gguf.architecture).toBe("llama");
    expect(loaded.gguf.tensorCount).toBe(model.tensors.length);
    expect(loaded.gguf.dataOffset).toBe(model.dataOffset);
    expect(loaded.gguf.findings).toEqual([]);
  });

  test("lists the tensors that the other implementation wrote", async () => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    const { gguf } = await loader.load("m.gguf");
    const rows = [...gguf.tensors].map(({ name, offset, bytes: size }) => ({ name, offset, bytes: size }));
    expect(rows).toEqual(model.tensors);
    const first = tinyModelSpec().tensors[0];
    expect(gguf.tensor(first?.name as string)).toMatchObject({ type: first?.type, shape: first?.shape.map(BigInt) });
    expect(gguf.tensor("no.such.tensor")).toBeUndefined();
  });

  test("decodes every type of metadata on request", async () => {
    const { root, loader } = await gate();
    const file = writeGguf({
      metadata: [
        ["general.architecture", string("llama")], ["a.u8", u8(255)], ["a.u32", u32(4294967295)], ["a.u64", u64(2n ** 64n - 1n)],
        ["a.i64", i64(-(2n ** 63n))], ["a.f32", f32(0.5)], ["a.bool", bool(true)], ["a.text", string("grün \u{1f600}")],
        ["a.texts", array("string", ["x", "", "yz"])], ["a.floats", array("f32", [1, 2.5])], ["a.longs", array("u64", [1, 2n ** 63n])],
        ["a.flags", array("bool", [0, 1])], ["a.none", array("i32", [])],
      ],
    });
    file.save(join(root, "types.gguf"));
    const { gguf } = await loader.load("types.gguf");
    expect(gguf.metadataKeys()).toHaveLength(13);
    expect(gguf.metadata("a.u8")).toBe(255);
    expect(gguf.metadata("a.u32")).toBe(4294967295);
    expect(gguf.metadata("a.u64")).toBe(2n ** 64n - 1n);
    expect(gguf.metadata("a.i64")).toBe(-(2n ** 63n));
    expect(gguf.metadata("a.f32")).toBe(0.5);
    expect(gguf.metadata("a.bool")).toBe(true);
    expect(gguf.metadata("a.text")).toBe("grün \u{1f600}");
    expect(gguf.metadata("a.texts")).toEqual(["x", "", "yz"]);
    expect(gguf.metadata("a.floats")).toEqual(Float32Array.of(1, 2.5));
    expect(gguf.metadata("a.longs")).toEqual(BigUint64Array.of(1n, 2n ** 63n));
    expect(gguf.metadata("a.flags")).toEqual([false, true]);
    expect(gguf.metadata("a.none")).toEqual(new Int32Array());
    expect(gguf.metadata("a.absent")).toBeUndefined();
    expect(gguf.metadata("__proto__")).toBeUndefined();
    expect(gguf.metadataType("a.texts")).toEqual({ type: "arr[str]", length: 3, offset: file.at("metadata[a.texts].value") });
  });

  test("is taken by any spelling of its path: string, bytes, URL, relative, absolute, with a detour inside the root", async () => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "ü m.gguf"), bytes);
    const absolute = join(root, "ü m.gguf");
    for (const path of ["ü m.gguf", Buffer.from("ü m.gguf"), absolute, pathToFileURL(absolute), "./ü m.gguf", ".//ü m.gguf"]) {
      await using loaded = await loader.load(path);
      expect(loaded.sha256).toBe(sha256);
    }
  });

  test("stays readable through its path after the name was given to another file", async () => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    writeFileSync(join(root, "evil"), "evil");
    const loaded = await loader.load("m.gguf");
    renameSync(join(root, "evil"), join(root, "m.gguf"));
    expect(createHash("sha256").update(readFileSync(loaded.path)).digest("hex")).toBe(sha256);
  });

  test("gives up its path when it is disposed, for its number may mean another file then", async () => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    const loaded = await loader.load("m.gguf");
    await loaded[Symbol.asyncDispose]();
    await loaded[Symbol.asyncDispose]();
    expect(loaded.disposed).toBe(true);
    expect(() => loaded.path).toThrow(expect.objectContaining({ code: "MODEL_DISPOSED" }) as Error);
    expect(loaded.gguf.architecture).toBe("llama");
  });
});

describe("a promised digest", () => {
  test("is judged before the format", async () => {
    const { root, loader } = await gate();
    const damaged = bytes.subarray(0, bytes.length - 1);
    writeFileSync(join(root, "m.gguf"), damaged);
    const error = await refusal(loader.load("m.gguf", { sha256 }));
    expect(error).toMatchObject({ code: "DIGEST_MISMATCH", severity: "CRITICAL", retriable: false, expected: sha256 });
    expect(error.actual).toBe(createHash("sha256").update(damaged).digest("hex"));
  });

  test("may be written in capitals", async () => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    await expect(loader.load("m.gguf", { sha256: sha256.toUpperCase() })).resolves.toMatchObject({ sha256 });
  });

  test("can be demanded", async () => {
    const { root, loader } = await gate({ requireDigest: true });
    writeFileSync(join(root, "m.gguf"), bytes);
    expect(await refusal(loader.load("m.gguf"))).toMatchObject({ code: "DIGEST_REQUIRED" });
    await expect(loader.load("m.gguf", { sha256 })).resolves.toBeDefined();
    await expect(loader.load("m.gguf", { requireDigest: false })).resolves.toBeDefined();
  });

  test("is found for malformed files too", async () => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), "GGUF and then nothing that makes sense");
    const error = await refusal(loader.load("m.gguf"));
    expect(error.code).toMatch(/^GGUF_/u);
    expect(error.sha256).toBe(createHash("sha256").update("GGUF and then nothing that makes sense").digest("hex"));
  });
});

describe("many loads", () => {
  test("of one file at once all succeed, whatever the concurrency", async () => {
    const { root, loader } = await gate({ concurrency: 2 });
    writeFileSync(join(root, "m.gguf"), bytes);
    const models = await Promise.all(Array.from({ length: 50 }, () => loader.load("m.gguf", { sha256 })));
    expect(new Set(models.map((one: Model) => one.fd)).size).toBe(50);
  });
});
