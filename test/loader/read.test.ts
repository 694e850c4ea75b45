/** Bytes out of a verified model: those that were verified, or none. */
import { createHash } from "node:crypto";
import { closeSync, ftruncateSync, openSync, renameSync, truncateSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Model } from "../../lib/index.ts";
import { generator, sparseModel, tinyModel, writeSparseModel } from "../fixtures/models.mjs";
import { gate, refusal } from "../support/gate.ts";
import type { Gate } from "../support/gate.ts";

const TILE = 256 * 1024;

/** A model of about five tiles, whose weights are noise: no two tiles are alike. */
function noisy(): Buffer {
  const file = sparseModel(5 * TILE + 96);
  const bytes = Buffer.from(file.bytes());
  const next = generator(1);
  for (let at = file.dataOffset; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(next(), at);
  return bytes;
}

const bytes = noisy();

async function loaded(): Promise<Gate & { readonly model: Model; readonly path: string }> {
  const made = await gate();
  const path = join(made.root, "m.gguf");
  writeFileSync(path, bytes);
  return { ...made, path, model: await made.loader.load("m.gguf") };
}

function overwrite(path: string, at: number): void {
  const fd = openSync(path, "r+");
  writeSync(fd, Uint8Array.of((bytes[at] ?? 0) ^ 1), 0, 1, at);
  closeSync(fd);
}

async function collected(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("reading a verified model", () => {
  test("gives any range of it, as a copy", async () => {
    const { model, metric } = await loaded();
    const edges = [0, 1, TILE - 1, TILE, TILE + 1, 3 * TILE, bytes.length - 1, bytes.length];
    for (const start of edges) {
      for (const end of edges.filter((edge) => edge >= start)) {
        const window = await model.read(start, end - start);
        expect(window.equals(bytes.subarray(start, end))).toBe(true);
      }
    }
    const copy = await model.read(0, 100);
    copy.fill(0);
    expect((await model.read(0, 100)).equals(bytes.subarray(0, 100))).toBe(true);
    expect(await metric("model_loader_reads_total", { code: "OK" })).toBeGreaterThan(30);
  });

  test("refuses what is no range before anything is read", async () => {
    const { model, metric } = await loaded();
    for (const [offset, length] of [[-1, 1], [0, -1], [0.5, 1], [0, Number.NaN], [bytes.length, 1], [0, bytes.length + 1], [2 ** 53, 1], [Infinity, 0]] as const) {
      await expect(model.read(offset, length)).rejects.toThrow(RangeError);
      expect(() => model.stream(offset, length)).toThrow(RangeError);
    }
    for (const [offset, length] of [["0", 1], [0, "1"], [0n, 1], [null, 1]]) await expect(model.read(offset as number, length as number)).rejects.toThrow(TypeError);
    await expect(model.read(0, 1, { signal: {} as AbortSignal })).rejects.toThrow(TypeError);
    expect(await metric("model_loader_reads_total")).toBe(0);
  });

  test("wants a stream for more than 2 GiB at once", async () => {
    const { model } = await loaded();
    await expect(model.read(0, 2 ** 31 + 1)).rejects.toThrow(/stream\(\)/u);
  });

  test("gives each tensor's bytes, whole and in chunks", async () => {
    const { root, loader } = await gate();
    const file = tinyModel();
    const whole = file.bytes();
    writeFileSync(join(root, "t.gguf"), whole);
    const model = await loader.load("t.gguf");
    for (const { name, offset, bytes: size } of model.gguf.tensors) {
      const tensor = model.tensor(name);
      expect(tensor).toMatchObject({ name, offset, bytes: size });
      const expected = Buffer.from(whole.subarray(offset, offset + size));
      expect((await tensor?.read())?.equals(expected)).toBe(true);
    }
    const [first] = model.gguf.tensors;
    const stream = model.tensor(first?.name ?? "")?.stream();
    expect((await collected(stream as ReadableStream<Uint8Array>)).length).toBe(first?.bytes);
    expect(model.tensor("no.such.tensor")).toBeUndefined();
  });

  test("streams all of it, a part of it, and nothing", async () => {
    const { model } = await loaded();
    const sha256 = createHash("sha256").update(await collected(model.stream())).digest("hex");
    expect(sha256).toBe(model.sha256);
    expect((await collected(model.stream(TILE + 3, 2 * TILE))).equals(bytes.subarray(TILE + 3, 3 * TILE + 3))).toBe(true);
    expect(await collected(model.stream(bytes.length))).toHaveLength(0);
    expect(await collected(model.stream(5, 0))).toHaveLength(0);
  });

  test("works whatever became of the name", async () => {
    const { model, path } = await loaded();
    writeFileSync(`${path}.evil`, Buffer.alloc(bytes.length));
    renameSync(`${path}.evil`, path);
    expect((await model.read(7, TILE)).equals(bytes.subarray(7, 7 + TILE))).toBe(true);
    unlinkSync(path);
    expect((await model.read(7, TILE)).equals(bytes.subarray(7, 7 + TILE))).toBe(true);
  });

  test("works on a sealed copy when the file itself was overwritten", async () => {
    const { root, loader } = await gate();
    const path = join(root, "m.gguf");
    writeFileSync(path, bytes);
    const model = await loader.load("m.gguf", { guard: "sealed" });
    writeFileSync(path, Buffer.alloc(1000));
    expect((await model.read(0, bytes.length)).equals(bytes)).toBe(true);
  });

  test("is served to many at once", async () => {
    const { model } = await loaded();
    const windows = await Promise.all(Array.from({ length: 200 }, (_, index) => model.read(index * 1000, 1000)));
    expect(windows.every((window, index) => window.equals(bytes.subarray(index * 1000, index * 1000 + 1000)))).toBe(true);
  });
});

describe("a model that was changed after the check", () => {
  test("gives no byte of the tile that changed, and records it first as CRITICAL", async () => {
    const { model, path, records, metric } = await loaded();
    overwrite(path, 2 * TILE + 77);
    const error = await refusal(model.read(2 * TILE, 10));
    expect(error).toMatchObject({ code: "CHANGED_AFTER_CHECK", severity: "CRITICAL", retriable: false, offset: 2 * TILE });
    expect((await records()).at(-1)).toMatchObject({
      type: "IntegrityViolation", sev: "CRITICAL", action: "model.read", outcome: "denied", reason: "CHANGED_AFTER_CHECK",
      target: { sha256: model.sha256 }, details: { offset: 2 * TILE },
    });
    expect(await metric("model_loader_reads_total", { code: "CHANGED_AFTER_CHECK" })).toBe(1);
    expect((await model.read(0, 2 * TILE)).equals(bytes.subarray(0, 2 * TILE))).toBe(true);
    expect((await model.read(3 * TILE, TILE)).equals(bytes.subarray(3 * TILE, 4 * TILE))).toBe(true);
  });

  test("is noticed by a stream at the chunk that it is in", async () => {
    const { model, path } = await loaded();
    overwrite(path, 4 * TILE + 1);
    const chunks: Uint8Array[] = [];
    const error = await refusal((async () => { for await (const chunk of model.stream()) chunks.push(chunk); })());
    expect(error.code).toBe("CHANGED_AFTER_CHECK");
    expect(Buffer.concat(chunks).equals(bytes.subarray(0, 4 * TILE))).toBe(true);
  });

  test("by being cut is noticed where it ends", async () => {
    const { model, path } = await loaded();
    truncateSync(path, 3 * TILE + 5);
    expect(await refusal(model.read(3 * TILE, 1))).toMatchObject({ code: "CHANGED_AFTER_CHECK", offset: 3 * TILE + 5 });
    expect((await model.read(0, TILE)).equals(bytes.subarray(0, TILE))).toBe(true);
  });

  test("again and again under the reader gives right bytes or a refusal, never others", async () => {
    const { model, path } = await loaded();
    const fd = openSync(path, "r+");
    const outcomes = { right: 0, refused: 0 };
    for (let round = 0; round < 60; round += 1) {
      const at = (round * 7919) % (5 * TILE);
      const reading = model.read(0, 5 * TILE).then((window) => {
        expect(window.equals(bytes.subarray(0, 5 * TILE))).toBe(true);
        outcomes.right += 1;
      }, (error: unknown) => {
        expect(error).toMatchObject({ code: "CHANGED_AFTER_CHECK" });
        outcomes.refused += 1;
      });
      if (round % 3 !== 0) writeSync(fd, Uint8Array.of((bytes[at] ?? 0) ^ 1), 0, 1, at);
      if (round % 10 === 1) ftruncateSync(fd, 4 * TILE);
      await reading;
      writeSync(fd, bytes, 0, bytes.length, 0);
    }
    closeSync(fd);
    expect(outcomes.right).toBeGreaterThan(10);
    expect(outcomes.refused).toBeGreaterThan(10);
    expect(outcomes.right + outcomes.refused).toBe(60);
  });
});

describe("a reading", () => {
  test("is stopped by its signal", async () => {
    const { root, loader } = await gate();
    writeSparseModel(join(root, "big.gguf"), 2 ** 30);
    const model = await loader.load("big.gguf");
    expect(await refusal(model.read(0, 10, { signal: AbortSignal.abort("no") }))).toMatchObject({ code: "ABORTED", cause: "no" });
    const stop = new AbortController();
    const reading = refusal(model.read(0, 2 ** 30, { signal: stop.signal }));
    setTimeout(() => { stop.abort(new Error("enough")); }, 5);
    expect(await reading).toMatchObject({ code: "ABORTED", cause: { message: "enough" } });
    const stream = model.stream(0, 2 ** 30, { signal: stop.signal });
    expect(await refusal(collected(stream))).toMatchObject({ code: "ABORTED" });
  });

  test("ends with its model, and none begins after", async () => {
    const { root, loader } = await gate();
    writeSparseModel(join(root, "big.gguf"), 2 ** 30);
    const model = await loader.load("big.gguf");
    const readings = Array.from({ length: 20 }, () => model.read(0, 2 ** 30).catch((error: unknown) => error));
    await model[Symbol.asyncDispose]();
    for (const end of await Promise.all(readings)) expect(end).toMatchObject({ code: "MODEL_DISPOSED" });
    await expect(model.read(0, 1)).rejects.toMatchObject({ code: "MODEL_DISPOSED" });
    await expect(collected(model.stream())).rejects.toMatchObject({ code: "MODEL_DISPOSED" });
  });

  test("through a stream that is left early leaves nothing running", async () => {
    const { model, metric } = await loaded();
    for await (const chunk of model.stream()) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await model[Symbol.asyncDispose]();
    expect(await metric("model_loader_reads_total", { code: "INTERNAL" })).toBe(0);
  });
});
