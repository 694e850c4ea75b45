/** Every refusal of a file's content, through the public API: exact code, exact offset, and the record that it leaves. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { CallOptions, GgufLimits } from "../../lib/index.ts";
import { array, bool, claiming, raw, string, u16, u32, u64, writeGguf } from "../fixtures/gguf-writer.mjs";
import type { GgufFile, Pair, Spec, TensorSpec } from "../fixtures/gguf-writer.mjs";
import { tinyModelSpec } from "../fixtures/models.mjs";
import { gate, refusal } from "../support/gate.ts";

const ARCH: Pair = ["general.architecture", string("llama")];
const tensor = (name: TensorSpec["name"], rest: Partial<TensorSpec> = {}): TensorSpec => ({ name, type: "f32", shape: [32], ...rest });
const withPair = (...pairs: Pair[]): Spec => ({ metadata: [ARCH, ...pairs] });
const withTensor = (...tensors: TensorSpec[]): Spec => ({ metadata: [ARCH], tensors });

interface Row {
  readonly what: string;
  readonly spec: Spec;
  readonly code: string;
  /** Field of the written file where the refusal points, and how many bytes into it. */
  readonly at: string;
  readonly plus?: number;
  readonly options?: CallOptions;
  readonly limits?: GgufLimits;
}

const rows: Row[] = [
  { what: "a version of the future", spec: { claim: { version: 4 } }, code: "GGUF_UNSUPPORTED_VERSION", at: "version" },
  { what: "version 1", spec: { claim: { version: 1 } }, code: "GGUF_UNSUPPORTED_VERSION", at: "version" },
  { what: "a big-endian file", spec: { byteOrder: "big", metadata: [ARCH] }, code: "GGUF_BIG_ENDIAN", at: "version" },
  { what: "2^64-1 pairs in a small file", spec: { claim: { metadataCount: 2n ** 64n - 1n } }, code: "GGUF_LIMIT_EXCEEDED", at: "metadata_count" },
  { what: "2^63 tensors in a small file", spec: { claim: { tensorCount: 2n ** 63n } }, code: "GGUF_LIMIT_EXCEEDED", at: "tensor_count" },
  { what: "an empty key", spec: withPair(["", u32(1)]), code: "GGUF_BAD_KEY", at: "metadata[1].key.length" },
  { what: "a NUL in a key", spec: withPair(["general.name\0x", u32(1)]), code: "GGUF_BAD_KEY", at: "metadata[1].key.bytes", plus: "general.name".length },
  { what: "a key twice", spec: withPair(["a.b", u32(1)], ["a.b", u32(1)]), code: "GGUF_DUPLICATE_KEY", at: "metadata[2]" },
  { what: "value type 13", spec: withPair(["a.b", raw(13, new Uint8Array(8))]), code: "GGUF_BAD_VALUE_TYPE", at: "metadata[1].type" },
  { what: "an array of arrays", spec: withPair(["a.b", array("array", [array("u8", [1])])]), code: "GGUF_BAD_ARRAY", at: "metadata[1].value.element_type" },
  { what: "an array of type 13", spec: withPair(["a.b", array("u8", [1], { elementType: 13 })]), code: "GGUF_BAD_ARRAY", at: "metadata[1].value.element_type" },
  { what: "an array of 2^61 numbers", spec: withPair(["a.b", array("u64", [1], { length: 2n ** 61n })]), code: "GGUF_LIMIT_EXCEEDED", at: "metadata[1].value.length" },
  { what: "one array element more than there is", spec: withPair(["a.b", array("u64", [1], { length: 2 })]), code: "GGUF_TRUNCATED", at: "metadata[1].value.length" },
  { what: "one pair more than there is", spec: { metadata: [ARCH], claim: { metadataCount: 2 } }, code: "GGUF_TRUNCATED", at: "padding" },
  { what: "one string byte more than there is", spec: withPair(["a.b", string(claiming("x", 2))]), code: "GGUF_TRUNCATED", at: "metadata[1].value.length" },
  { what: "more pairs than the file has room for", spec: { claim: { metadataCount: 9999 } }, code: "GGUF_TRUNCATED", at: "metadata_count" },
  { what: "a string of 2^64-1 bytes", spec: withPair(["a.b", string(claiming("x", 2n ** 64n - 1n))]), code: "GGUF_LIMIT_EXCEEDED", at: "metadata[1].value.length" },
  { what: "an alignment of 0", spec: withPair(["general.alignment", u32(0)]), code: "GGUF_BAD_ALIGNMENT", at: "metadata[1].value" },
  { what: "an alignment of 24", spec: withPair(["general.alignment", u32(24)]), code: "GGUF_BAD_ALIGNMENT", at: "metadata[1].value" },
  { what: "an alignment of type u64", spec: withPair(["general.alignment", u64(32)]), code: "GGUF_BAD_ALIGNMENT", at: "metadata[1].type" },
  { what: "a tensor without a name", spec: withTensor(tensor("")), code: "GGUF_BAD_TENSOR_NAME", at: "tensors[0].name.length" },
  { what: "a tensor name of 64 bytes", spec: withTensor(tensor("x".repeat(64))), code: "GGUF_BAD_TENSOR_NAME", at: "tensors[0].name.length" },
  { what: "a NUL in a tensor's name", spec: withTensor(tensor("a\0b")), code: "GGUF_BAD_TENSOR_NAME", at: "tensors[0].name.bytes", plus: 1 },
  { what: "a tensor twice", spec: withTensor(tensor("a"), tensor("a")), code: "GGUF_DUPLICATE_TENSOR", at: "tensors[1]" },
  { what: "5 dimensions", spec: withTensor(tensor("a", { claim: { nDims: 5 } })), code: "GGUF_BAD_SHAPE", at: "tensors[0].n_dims" },
  { what: "2^32 dimensions", spec: withTensor(tensor("a", { claim: { nDims: 2 ** 32 - 1 } })), code: "GGUF_BAD_SHAPE", at: "tensors[0].n_dims" },
  { what: "a negative dimension", spec: withTensor(tensor("a", { claim: { shape: [2n ** 63n] } })), code: "GGUF_BAD_SHAPE", at: "tensors[0].shape[0]" },
  { what: "a product that wraps to 0", spec: withTensor(tensor("a", { shape: [32, 1], claim: { shape: [2n ** 32n, 2n ** 32n] } })), code: "GGUF_BAD_SHAPE", at: "tensors[0].shape[1]" },
  { what: "a row that is no whole number of blocks", spec: withTensor(tensor("a", { type: "q4_0", claim: { shape: [33] } })), code: "GGUF_BAD_SHAPE", at: "tensors[0].shape[0]" },
  { what: "a removed tensor type", spec: withTensor(tensor("a", { claim: { type: 4 } })), code: "GGUF_BAD_TENSOR_TYPE", at: "tensors[0].type" },
  { what: "an unknown tensor type", spec: withTensor(tensor("a", { claim: { type: 0x8000_0000 } })), code: "GGUF_BAD_TENSOR_TYPE", at: "tensors[0].type" },
  { what: "an offset that leaves a gap", spec: withTensor(tensor("a"), tensor("b", { claim: { offset: 160 } })), code: "GGUF_BAD_TENSOR_OFFSET", at: "tensors[1].offset" },
  { what: "two tensors in one place", spec: withTensor(tensor("a"), tensor("b", { claim: { offset: 0 } })), code: "GGUF_BAD_TENSOR_OFFSET", at: "tensors[1].offset" },
  { what: "a part number beyond the parts", spec: withPair(["split.no", u16(2)], ["split.count", u16(2)], ["split.tensors.count", { type: "i32", value: 0 }]), code: "GGUF_BAD_SPLIT", at: "metadata[1].value" },
  { what: "a part number that aborts the engine", spec: withPair(["split.no", u32(0)], ["split.count", u16(2)]), code: "GGUF_BAD_SPLIT", at: "metadata[1].type" },
  { what: "more pairs than the limit", spec: withPair(["a.b", u32(1)]), limits: { metadataPairs: 1 }, code: "GGUF_LIMIT_EXCEEDED", at: "metadata_count" },
  { what: "more tensors than the limit", spec: withTensor(tensor("a"), tensor("b")), limits: { tensors: 1 }, code: "GGUF_LIMIT_EXCEEDED", at: "tensor_count" },
  { what: "a string over the limit", spec: withPair(["a.b", string("xxxxx")]), limits: { stringBytes: 5 - 1 }, code: "GGUF_LIMIT_EXCEEDED", at: "metadata[0].value.length" },
  { what: "an array over the limit", spec: withPair(["a.b", array("u8", [1, 2, 3])]), limits: { arrayElements: 2 }, code: "GGUF_LIMIT_EXCEEDED", at: "metadata[1].value.length" },
  { what: "a bool of 2, strictly", spec: withPair(["a.b", bool(2)]), options: { strict: true }, code: "GGUF_NONCONFORMANT", at: "metadata[1].value" },
  { what: "a key in capitals, strictly", spec: withPair(["A.b", u32(1)]), options: { strict: true }, code: "GGUF_NONCONFORMANT", at: "metadata[1]" },
  { what: "padding that is not zero, strictly", spec: { ...withTensor(tensor("a")), padByte: 7 }, options: { strict: true }, code: "GGUF_NONCONFORMANT", at: "padding" },
  { what: "bytes after the data, strictly", spec: { ...withTensor(tensor("a")), tail: new Uint8Array(100) }, options: { strict: true }, code: "GGUF_NONCONFORMANT", at: "end" },
];

describe("a malformed model", () => {
  test.each(rows)("is refused with its code and offset: $what", async ({ spec, code, at, plus = 0, options, limits }) => {
    const file = writeGguf(spec);
    const { root, loader, records } = await gate(limits === undefined ? {} : { limits });
    file.save(join(root, "m.gguf"));
    const error = await refusal(loader.load("m.gguf", options));
    expect({ code: error.code, offset: error.offset }).toEqual({ code, offset: file.at(at) + plus });
    expect(error.severity).toBe("HIGH");
    expect((await records()).at(-1)).toMatchObject({
      type: code === "GGUF_LIMIT_EXCEEDED" ? "ResourceLimitViolation" : "MalformedModelRejected",
      sev: "HIGH", outcome: "denied", reason: code,
    });
  });

  test.each(rows)("in a buffer is refused alike: $what", async ({ spec, code, at, plus = 0, options, limits }) => {
    const file = writeGguf(spec);
    const { loader } = await gate(limits === undefined ? {} : { limits });
    const error = await refusal(loader.validateBytes(file.bytes(), options));
    expect({ code: error.code, offset: error.offset }).toEqual({ code, offset: file.at(at) + plus });
  });

  test("is GGUF_TRUNCATED wherever it is cut, and inspect sees it without reading it", async () => {
    const file = writeGguf({ ...tinyModelSpec(), padLast: false });
    const bytes = file.bytes();
    const { root, loader } = await gate();
    const cuts = [5, 23, 24, 25, file.headerBytes - 1, file.dataOffset, file.dataOffset + 1, bytes.length - 1];
    for (const cut of cuts) {
      writeFileSync(join(root, "m.gguf"), bytes.subarray(0, cut));
      expect(await refusal(loader.load("m.gguf")), `cut at ${cut}`).toMatchObject({ code: "GGUF_TRUNCATED" });
      expect(await refusal(loader.inspect("m.gguf")), `cut at ${cut}`).toMatchObject({ code: "GGUF_TRUNCATED" });
    }
  });

  test("passes with findings where only the format's text is broken", async () => {
    const { root, loader } = await gate();
    const file = writeGguf({ metadata: [ARCH, ["A.b", u32(1)], ["a.c", bool(2)]], tensors: [tensor("a")], padByte: 7, tail: new Uint8Array(100) });
    file.save(join(root, "m.gguf"));
    const { gguf } = await loader.load("m.gguf");
    expect(gguf.findings.map(({ rule, offset }) => ({ rule, offset }))).toEqual(expect.arrayContaining([
      { rule: 10, offset: file.at("metadata[1]") },
      { rule: 15, offset: file.at("metadata[2].value") },
      { rule: 34, offset: file.at("padding") },
      { rule: 37, offset: file.at("end") },
    ]));
    expect(gguf.findingCount).toBe(gguf.findings.length);
  });
});

describe("a file that is no GGUF", () => {
  const others: [string, string | Uint8Array, RegExp][] = [
    ["empty", "", /empty/iu],
    ["git-LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n", /git.?lfs/iu],
    ["HTML", "<!DOCTYPE html><html><body>404</body></html>", /html/iu],
    ["zip", new Uint8Array([0x50, 0x4b, 3, 4, 0, 0, 0, 0, 0, 0]), /zip/iu],
    ["safetensors", Buffer.concat([Buffer.from([60, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"__metadata__":{"format":"pt"},"w":{"dtype":"F32"}}')]), /safetensors/iu],
    ["pickle", new Uint8Array([0x80, 2, 0x7d, 0x71, 0, 0x2e]), /pickle/iu],
    ["anything else", "hello, I am a text file", /GGUF/u],
  ];
  test.each(others)("is told what it is: %s", async (_, content, says) => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), content);
    const error = await refusal(loader.load("m.gguf"));
    expect(error).toMatchObject({ code: "GGUF_NOT_GGUF", offset: 0 });
    expect(error.message).toMatch(says);
  });
});

describe("an engine that would abort", () => {
  const vocabulary = (tokens: string[]): GgufFile => writeGguf(withPair(
    ["tokenizer.ggml.model", string("llama")], ["tokenizer.ggml.tokens", array("string", tokens)],
    ["tokenizer.ggml.scores", array("f32", tokens.map(() => 0))], ["tokenizer.ggml.token_type", array("i32", tokens.map(() => 1))],
  ));

  test("is kept from the model by default, and only a named option lets it through", async () => {
    const { root, loader } = await gate();
    const file = vocabulary(["<unk>", "a", "a"]);
    file.save(join(root, "m.gguf"));
    expect(await refusal(loader.load("m.gguf"))).toMatchObject({
      code: "GGUF_ENGINE_UNSAFE", field: "tokenizer.ggml.tokens", offset: file.at("metadata[tokenizer.ggml.tokens].value[2].bytes"),
    });
    await expect(loader.load("m.gguf", { engineSafety: false })).resolves.toBeDefined();
  });
});

describe("size", () => {
  test("over maxBytes is refused before anything is read", async () => {
    const { root, loader, records } = await gate({ maxBytes: 10 });
    writeFileSync(join(root, "m.gguf"), new Uint8Array(11));
    const error = await refusal(loader.load("m.gguf"));
    expect(error).toMatchObject({ code: "TOO_LARGE", severity: "HIGH", expected: "10", actual: "11" });
    expect(error.sha256).toBeUndefined();
    expect(await refusal(loader.validateBytes(new Uint8Array(11)))).toMatchObject({ code: "TOO_LARGE" });
    expect((await records()).at(-1)).toMatchObject({ type: "ResourceLimitViolation", sev: "HIGH" });
  });
});
