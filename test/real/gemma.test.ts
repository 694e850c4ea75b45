/** Gemma 3 270M in Q4_K_M: a real model with 236 tensors, as an inference host would load it. */
import { constants, copyFileSync, mkdtempSync, openSync, readSync, rmSync, closeSync, truncateSync, writeSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestContext } from "vitest";
import { ModelLoader } from "../../lib/index.ts";
import { readGguf } from "../fixtures/gguf-reader.ts";
import { tensorBytes } from "../fixtures/gguf-writer.mjs";
import { FETCH_MS_MAX, fetched } from "../support/fetched.ts";
import type { Fetched } from "../support/fetched.ts";

const SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818";
const SIZE_BYTES = 253_113_024;
const HEADER_BYTES_ENOUGH = 16 * 1024 * 1024;

let found: Fetched;
let loader: ModelLoader | undefined;
let copies: string | undefined;

beforeAll(async () => {
  found = await fetched("gemma.mjs");
  if ("path" in found) loader = await ModelLoader.open({ root: dirname(found.path), audit: "disabled" });
}, FETCH_MS_MAX + 10_000);

afterAll(async () => {
  await loader?.[Symbol.asyncDispose]();
  if (copies !== undefined) rmSync(copies, { recursive: true });
});

function needs(context: TestContext): { path: string; name: string; loader: ModelLoader } {
  if ("reason" in found || loader === undefined) return context.skip("reason" in found ? found.reason : "no loader");
  return { path: found.path, name: basename(found.path), loader };
}

/** A copy beside the original, changed by `change`; its path is relative to the loader's root. */
function changed(path: string, change: (copy: string) => void): string {
  copies ??= mkdtempSync(join(dirname(path), "test-"));
  const copy = join(copies, "changed.gguf");
  copyFileSync(path, copy, constants.COPYFILE_FICLONE);
  change(copy);
  return join(basename(copies), "changed.gguf");
}

function flip(copy: string, offset: number): void {
  const fd = openSync(copy, "r+");
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset);
  writeSync(fd, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, offset);
  closeSync(fd);
}

describe("Gemma 3 270M", () => {
  it("is verified, strictly too", async (context) => {
    const { name, loader } = needs(context);
    for (const strict of [false, true]) {
      await using model = await loader.load(name, { sha256: SHA256, strict });
      expect([model.sha256, model.sizeBytes]).toEqual([SHA256, SIZE_BYTES]);
      expect(model.gguf).toMatchObject({ version: 3, metadataCount: 33, tensorCount: 236, alignment: 32, architecture: "gemma3", findings: [] });
    }
  });

  it("shows the tensors that a second reader finds, and they end with the file", async (context) => {
    const { path, name, loader } = needs(context);
    const { gguf } = await loader.inspect(name);
    const start = Buffer.alloc(HEADER_BYTES_ENOUGH);
    const fd = openSync(path, "r");
    readSync(fd, start, 0, start.length, 0);
    closeSync(fd);
    const expected = (readGguf(start).tensors ?? []).map(({ name, type, shape, claim }) => ({
      name: Buffer.from(name as Uint8Array).toString(),
      type,
      shape: shape.map(BigInt),
      offset: gguf.dataOffset + Number(claim?.offset),
      bytes: Number(tensorBytes(type, shape)),
      part: 1,
    }));
    expect([...gguf.tensors]).toEqual(expected);
    const last = [...gguf.tensors].at(-1);
    expect((last?.offset ?? 0) + (last?.bytes ?? 0)).toBe(statSync(path).size);
  });

  it("is refused with one bit flipped", async (context) => {
    const { path, name, loader } = needs(context);
    const copy = changed(path, (copy) => { flip(copy, SIZE_BYTES >> 1); });
    await expect(loader.load(copy, { sha256: SHA256 })).rejects.toMatchObject({ code: "DIGEST_MISMATCH", expected: SHA256 });
    expect((await loader.inspect(name)).verified).toBe(false);
  });

  it("is refused when its last byte is missing", async (context) => {
    const { path, loader } = needs(context);
    const copy = changed(path, (copy) => { truncateSync(copy, SIZE_BYTES - 1); });
    await expect(loader.load(copy)).rejects.toMatchObject({ code: "GGUF_TRUNCATED" });
    await expect(loader.load(copy, { sha256: SHA256 })).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });
});
