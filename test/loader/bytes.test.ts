import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { sparseModel, tinyModel } from "../fixtures/models.mjs";
import { gate, refusal } from "../support/gate.ts";

const MIB = 1 << 20;
const bytes = tinyModel().bytes();
const sha256 = createHash("sha256").update(bytes).digest("hex");

function large(): Uint8Array<ArrayBuffer> {
  const file = sparseModel(64 * MIB);
  const whole = new Uint8Array(new ArrayBuffer(64 * MIB));
  whole.set(file.header);
  return whole;
}

describe("a model in memory", () => {
  test("is judged in any kind of view", async () => {
    const { loader } = await gate();
    const plain = Uint8Array.from(bytes);
    const shared = new SharedArrayBuffer(bytes.length);
    new Uint8Array(shared).set(bytes);
    const within = new Uint8Array(bytes.length + 16);
    within.set(bytes, 7);
    const views = [bytes, plain, plain.buffer, new DataView(plain.buffer), shared, new Uint8Array(shared), within.subarray(7, 7 + bytes.length)];
    for (const view of views) {
      expect(await loader.validateBytes(view, { sha256 })).toMatchObject({ sha256, sizeBytes: bytes.length, digestExpected: true });
    }
  });

  test("has the same digest as node:crypto finds at every size around a block's end", async () => {
    const { loader } = await gate();
    const whole = large();
    for (const size of [MIB - 1, MIB, MIB + 1, 9 * MIB + 5, 64 * MIB]) {
      const part = whole.subarray(0, size);
      const wanted = createHash("sha256").update(part).digest("hex");
      const found = await loader.validateBytes(part).then(({ sha256: digest }) => digest, (error: unknown) => (error as { sha256: string }).sha256);
      expect(found, `${size} bytes`).toBe(wanted);
    }
  });

  test("may be empty, and is then no GGUF", async () => {
    const { loader } = await gate();
    expect(await refusal(loader.validateBytes(new Uint8Array()))).toMatchObject({ code: "GGUF_NOT_GGUF" });
  });

  test("that is transferred away meanwhile is refused", async () => {
    const { loader } = await gate();
    const whole = large();
    const call = refusal(loader.validateBytes(whole));
    await nextTurn();
    structuredClone(whole.buffer, { transfer: [whole.buffer] });
    expect(await call).toMatchObject({ code: "CHANGED_WHILE_READ" });
  });

  test("that was transferred away before is refused", async () => {
    const { loader } = await gate();
    const gone = Uint8Array.from(bytes);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expect((await refusal(loader.validateBytes(gone))).code).toBe("GGUF_NOT_GGUF");
  });

  test("that another thread keeps writing to gives some verdict and no crash", async () => {
    const { loader } = await gate();
    const shared = new SharedArrayBuffer(64 * MIB);
    new Uint8Array(shared).set(large());
    const worker = new Worker("const { workerData } = require('node:worker_threads'); const all = new Uint8Array(workerData); for (;;) all[(Math.random() * all.length) | 0] ^= 255;", { eval: true, workerData: shared });
    for (let round = 0; round < 5; round++) await loader.validateBytes(shared).catch(() => undefined);
    await worker.terminate();
  });

  test("can be stopped", async () => {
    const { loader } = await gate();
    const stop = new AbortController();
    const call = refusal(loader.validateBytes(large(), { signal: stop.signal }));
    await nextTurn();
    stop.abort(new Error("enough"));
    expect(await call).toMatchObject({ code: "ABORTED", cause: new Error("enough") });
  });

  test("is recorded like a file", async () => {
    const { loader, records } = await gate();
    await loader.validateBytes(bytes, { sha256, actor: "alice" });
    await refusal(loader.validateBytes(bytes, { sha256: "0".repeat(64) }));
    expect((await records()).slice(-2)).toMatchObject([
      { type: "ModelLoaded", action: "model.validateBytes", outcome: "allowed", actor: "alice", target: { sha256 } },
      { type: "IntegrityViolation", sev: "CRITICAL", reason: "DIGEST_MISMATCH", target: { sha256, expectedSha256: "0".repeat(64) } },
    ]);
  });

  test.each([undefined, null, 1, "GGUF", {}, [1, 2], () => 1])("must be memory, not %s", async (value) => {
    const { loader } = await gate();
    await expect(loader.validateBytes(value as Uint8Array)).rejects.toThrow(TypeError);
  });
});
