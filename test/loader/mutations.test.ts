/** Good models with bytes changed: a model or a refusal, never a crash, and never at a price. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Model, ModelLoadError } from "../../lib/index.ts";
import type { ModelLoader } from "../../lib/index.ts";
import { tinyModel } from "../fixtures/models.mjs";
import { gate } from "../support/gate.ts";

/** What refusing may cost beyond reading and hashing. */
const EXTRA_MS_MAX = 50;
const EXTRA_BYTES_MAX = 50_000_000;

const vocabulary = fileURLToPath(new URL("../../../shared/models/ggml-vocab-llama-spm.gguf", import.meta.url));
const originals = [tinyModel().bytes(), ...(existsSync(vocabulary) ? [readFileSync(vocabulary)] : [])];

interface Change {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly cut: number | undefined;
}

const value = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 9 }),
  fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 61n, 2n ** 63n, 2n ** 64n - 1n).map((number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(number);
    return bytes;
  }),
);
// Most of what can go wrong is near the start.
const place = fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 0, max: 1500 }) }, { weight: 1, arbitrary: fc.nat() });
const change: fc.Arbitrary<Change> = fc.record({ at: place, bytes: value, cut: fc.option(fc.nat(), { nil: undefined, freq: 9 }) });

function changed(original: Uint8Array, changes: readonly Change[]): Buffer {
  let file = Buffer.from(original);
  for (const { at, bytes, cut } of changes) {
    file.set(bytes.subarray(0, Math.max(0, file.length - (at % file.length))), at % file.length);
    if (cut !== undefined) file = file.subarray(0, 1 + (cut % file.length));
  }
  return file;
}

/** What the call took beyond hashing the same bytes; the best of a few tries, for the machine may be busy. */
async function extraMs(loader: ModelLoader, file: Uint8Array, tries = 5): Promise<number> {
  const started = performance.now();
  createHash("sha256").update(file).digest();
  const hashed = performance.now();
  const outcome = await loader.load("m.gguf").catch((error: unknown) => error);
  const extra = performance.now() - hashed - (hashed - started);
  expect(outcome instanceof Model || (outcome instanceof ModelLoadError && outcome.code.startsWith("GGUF_")), String(outcome)).toBe(true);
  if (outcome instanceof Model) await outcome[Symbol.asyncDispose]();
  return extra > EXTRA_MS_MAX && tries > 1 ? Math.min(extra, await extraMs(loader, file, tries - 1)) : extra;
}

test("a changed model is judged, in little time and memory", { timeout: 120_000 }, async () => {
  const { root, loader } = await gate({ audit: "disabled" });
  const run = async (original: Uint8Array, changes: readonly Change[]): Promise<void> => {
    const file = changed(original, changes);
    writeFileSync(join(root, "m.gguf"), file);
    expect(await extraMs(loader, file)).toBeLessThan(EXTRA_MS_MAX);
  };
  const property = fc.asyncProperty(fc.constantFrom(...originals), fc.array(change, { minLength: 1, maxLength: 3 }), run);
  await fc.assert(property, { numRuns: 200 });
  const before = process.memoryUsage.rss();
  await fc.assert(property, { numRuns: 300 });
  expect(process.memoryUsage.rss() - before).toBeLessThan(EXTRA_BYTES_MAX);
});
