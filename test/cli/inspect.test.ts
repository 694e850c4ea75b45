/** `model-loader inspect`: fast, unverified, and honest about both. */
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { array, bool, f32, i64, string, u32, u64, writeGguf } from "../fixtures/gguf-writer.mjs";
import { tinyModel, tinyModelSpec } from "../fixtures/models.mjs";
import { cli, folder, line } from "./support.ts";

let home: string;

beforeEach(async () => {
  home = await folder();
  tinyModel().save(join(home, "good.gguf"));
});

interface Pair { key: string; type: string; length: number; value?: unknown }

describe("a header", () => {
  test("is told as a table, and says that it is unverified", async () => {
    const { code, stdout, stderr } = await cli(["inspect", "good.gguf"], home);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("UNVERIFIED");
    expect(stdout).toMatch(/^general\.architecture +str +"llama"$/mu);
    expect(stdout).toMatch(/^tokenizer\.ggml\.tokens +str\[286\]$/mu);
    expect(stdout).not.toContain("token_embd.weight");
  });

  test("has a table of tensors on demand", async () => {
    const { stdout } = await cli(["inspect", "good.gguf", "--tensors"], home);
    const tensor = tinyModel().tensors[0];
    expect(stdout).toMatch(new RegExp(`^token_embd\\.weight +q8_0 +64 x 286 +${tensor?.offset ?? ""} +${tensor?.bytes ?? ""}$`, "mu"));
  });

  test("is one JSON object; large arrays have no value", async () => {
    const { code, stdout } = await cli(["inspect", "good.gguf", "--json", "--tensors"], home);
    const told = line(stdout);
    expect(code).toBe(0);
    expect(told).toMatchObject({
      path: "good.gguf", ok: true, verified: false, sizeBytes: tinyModel().fileSize,
      gguf: { version: 3, tensorCount: 21, metadataCount: 20, alignment: 32, architecture: "llama", dataOffset: tinyModel().dataOffset },
    });
    expect(told).not.toHaveProperty("sha256");
    const pairs = told["metadata"] as Pair[];
    expect(pairs.find(({ key }) => key === "tokenizer.ggml.tokens")).toEqual({ key: "tokenizer.ggml.tokens", type: "arr[str]", length: 286 });
    expect(pairs.find(({ key }) => key === "llama.context_length")).toMatchObject({ type: "u32", value: 128 });
    expect((told["tensors"] as unknown[]).length).toBe(21);
  });

  test("keeps numbers exact: whole numbers beyond 2^53 and what JSON has no word for are strings", async () => {
    const spec = tinyModelSpec();
    const metadata = [
      ...spec.metadata,
      ["x.big", u64(18446744073709551615n)], ["x.small", i64(-5n)], ["x.nan", f32(NaN)], ["x.yes", bool(true)],
      ["x.few", array("u64", [1n, 9007199254740993n])], ["x.words", array("string", ["a", "b"])],
    ] as typeof spec.metadata;
    writeFileSync(join(home, "odd.gguf"), writeGguf({ ...spec, metadata }).bytes());
    const told = line((await cli(["inspect", "odd.gguf", "--json"], home)).stdout);
    const value = (name: string): unknown => (told["metadata"] as Pair[]).find(({ key }) => key === name)?.value;
    expect(value("x.big")).toBe("18446744073709551615");
    expect(value("x.small")).toBe(-5);
    expect(value("x.nan")).toBe("NaN");
    expect(value("x.yes")).toBe(true);
    expect(value("x.few")).toEqual([1, "9007199254740993"]);
    expect(value("x.words")).toEqual(["a", "b"]);
  });

  test("with hostile text leaves the terminal alone", async () => {
    const spec = tinyModelSpec();
    const metadata = [...spec.metadata, ["x.name", string("\u001B]0;owned\u0007\u202Egnp.\n")]] as typeof spec.metadata;
    writeFileSync(join(home, "hostile.gguf"), writeGguf({ ...spec, metadata }).bytes());
    const { stdout } = await cli(["inspect", "hostile.gguf", "--tensors"], home);
    expect(stdout).toContain("\\u{1B}]0;owned\\u{7}\\u{202E}gnp.\\u{A}");
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202E]/u);
  });
});

test("what would crash an engine is shown, and refused on demand", async () => {
  const spec = tinyModelSpec();
  const metadata = spec.metadata.map(([key, value]) => (key === "llama.embedding_length" ? [key, u32(0)] : [key, value])) as typeof spec.metadata;
  writeFileSync(join(home, "unsafe.gguf"), writeGguf({ ...spec, metadata }).bytes());
  const refused = await cli(["inspect", "unsafe.gguf", "--engine-safety", "--json"], home);
  expect(refused.code).toBe(1);
  expect(line(refused.stdout)).toMatchObject({ ok: false, code: "GGUF_ENGINE_UNSAFE" });
  expect((await cli(["inspect", "unsafe.gguf"], home)).stdout).toContain("llama.embedding_length");
});

describe("what cannot be inspected", () => {
  test("a refusal has code, place and exit 1", async () => {
    truncateSync(join(home, "good.gguf"), 1000);
    const { code, stdout } = await cli(["inspect", "good.gguf", "--json"], home);
    expect(code).toBe(1);
    expect(line(stdout)).toMatchObject({ ok: false, code: "GGUF_TRUNCATED" });
  });

  test.each([["missing.gguf", "NOT_FOUND", 3], [".", "NOT_REGULAR_FILE", 3], ["/dev/zero", "NOT_REGULAR_FILE", 3]])("%s", async (name, refusal, exit) => {
    const { code, stdout } = await cli(["inspect", name, "--json"], home);
    expect(line(stdout)).toMatchObject({ path: name, ok: false, code: refusal });
    expect(code).toBe(exit);
  });

  test("an escape from --root", async () => {
    const { code, stdout } = await cli(["inspect", "--root", home, "../../etc/passwd"], "/");
    expect(code).toBe(1);
    expect(stdout).toContain("PATH_TRAVERSAL");
  });

  test.each([[[]], [["a", "b"]], [["a", "--sha256", "x"]]])("the wrong command line %j", async (args) => {
    expect((await cli(["inspect", ...args], home)).code).toBe(2);
  });
});
