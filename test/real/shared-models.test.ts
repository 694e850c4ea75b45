/** Vocabulary files as llama.cpp publishes them, where a copy lies beside the checkout: other makers' bytes. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestContext } from "vitest";
import { ModelLoader } from "../../lib/index.ts";
import type { GgufView } from "../../lib/index.ts";
import { readGguf } from "../fixtures/gguf-reader.ts";
import { writeGguf } from "../fixtures/gguf-writer.mjs";

const shared = join(import.meta.dirname, "../../../shared/models");

const MODELS = [
  { name: "ggml-vocab-bert-bge.gguf", bytes: 627_549, pairs: 20, strings: 30_546, sha256: "fbcbe22278fb302694d5f4a41bfe48c5f90e8e3554eab1c0435387dff654a854" },
  { name: "ggml-vocab-deepseek-llm.gguf", bytes: 3_970_167, pairs: 23, strings: 202_184, sha256: "867f77537b54565f0d81d508c04edc41aa1d4ffc1a92745f225b4c1b02755f76" },
  { name: "ggml-vocab-gpt-2.gguf", bytes: 1_766_807, pairs: 16, strings: 100_277, sha256: "cedc56ca6e2e89f63e781696d1fd76b4b1d49e6720dee86463e915f6e90016ac" },
  { name: "ggml-vocab-llama-spm.gguf", bytes: 723_869, pairs: 22, strings: 32_026, sha256: "16c3724582d59aa8bf84711894e833f916ee46a31d80e21312759c48bf8d0e69" },
] as const;

const folder = mkdtempSync(join(tmpdir(), "shared-models-"));
let originals: ModelLoader;
let copies: ModelLoader;

beforeAll(async () => {
  copies = await ModelLoader.open({ root: folder, audit: "disabled" });
  originals = existsSync(shared) ? await ModelLoader.open({ root: shared, audit: "disabled" }) : copies;
});

afterAll(async () => {
  await originals[Symbol.asyncDispose]();
  await copies[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function needs(name: string, context: TestContext): void {
  if (!existsSync(join(shared, name))) context.skip(`${name} does not lie beside this checkout`);
}

/** All strings, keys included, counted by type and without decoding a value. */
function stringsOf(gguf: GgufView): number {
  const types = gguf.metadataKeys().map((key) => gguf.metadataType(key));
  return types.reduce((sum, of) => sum + 1 + (of?.type.includes("str") === true ? of.length : 0), 0);
}

describe.each(MODELS)("$name", ({ name, bytes, pairs, strings, sha256 }) => {
  it("is verified against its published digest, strictly too", async (context) => {
    needs(name, context);
    for (const strict of [false, true]) {
      await using model = await originals.load(name, { sha256, strict });
      expect([model.sha256, model.sizeBytes, model.digestExpected]).toEqual([sha256, bytes, true]);
      expect([model.gguf.version, model.gguf.metadataCount, model.gguf.tensorCount]).toEqual([3, pairs, 0]);
      expect(stringsOf(model.gguf)).toBe(strings);
      expect(model.gguf.findings).toEqual([]);
    }
  });

  it("hands over a path that opens the very bytes", async (context) => {
    needs(name, context);
    await using model = await originals.load(name);
    expect(createHash("sha256").update(readFileSync(model.path)).digest("hex")).toBe(sha256);
  });

  it("is inspected and judged in memory with the same answers", async (context) => {
    needs(name, context);
    await using model = await originals.load(name);
    const { gguf, verified, sizeBytes } = await originals.inspect(name);
    expect([verified, sizeBytes, stringsOf(gguf)]).toEqual([false, bytes, strings]);
    expect(gguf.metadataKeys()).toEqual(model.gguf.metadataKeys());
    const report = await copies.validateBytes(readFileSync(join(shared, name)), { sha256 });
    expect([report.sha256, report.gguf.metadataKeys()]).toEqual([sha256, model.gguf.metadataKeys()]);
  });

  it("gives the values that a second reader finds", async (context) => {
    needs(name, context);
    const { gguf } = await originals.inspect(name);
    const spec = readGguf(readFileSync(join(shared, name)));
    const text = (bytes: unknown): unknown => (bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : bytes);
    for (const [key, value] of spec.metadata ?? []) {
      const found = gguf.metadata(text(key) as string);
      const list = typeof found === "object" ? Array.from<unknown>(found) : found;
      expect(list).toEqual("values" in value ? Array.from(value.values, text) : "value" in value && second(value.type, text(value.value)));
    }
  });

  it("is what our own writer makes of it, byte by byte", (context) => {
    needs(name, context);
    const original = readFileSync(join(shared, name));
    expect(writeGguf(readGguf(original)).bytes().equals(original)).toBe(true);
  });

  it("is refused with one bit flipped, and the digest found is named", async (context) => {
    needs(name, context);
    const flipped = readFileSync(join(shared, name));
    flipped[bytes >> 1] = (flipped[bytes >> 1] ?? 0) ^ 1;
    writeFileSync(join(folder, `flipped-${name}`), flipped);
    const actual = createHash("sha256").update(flipped).digest("hex");
    await expect(copies.load(`flipped-${name}`, { sha256 })).rejects.toMatchObject({ code: "DIGEST_MISMATCH", severity: "CRITICAL", expected: sha256, actual });
  });

  it.for([0.5, 0.999])("is refused when cut at %f of its length", async (part, context) => {
    needs(name, context);
    writeFileSync(join(folder, `cut-${name}`), readFileSync(join(shared, name)).subarray(0, Math.floor(bytes * part)));
    await expect(copies.load(`cut-${name}`)).rejects.toMatchObject({ code: "GGUF_TRUNCATED", severity: "HIGH" });
    await expect(copies.inspect(`cut-${name}`)).rejects.toMatchObject({ code: "GGUF_TRUNCATED" });
    await expect(copies.load(`cut-${name}`, { sha256 })).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });
});

/** The second reader leaves a bool as its byte. */
function second(type: string, value: unknown): unknown {
  return type === "bool" ? value === 1 : value;
}
