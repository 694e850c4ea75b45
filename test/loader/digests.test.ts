/** The second digest: BLAKE3 of the same bytes, against an implementation that is not ours. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sparseModel, tinyModel, writeSparseModel } from "../fixtures/models.mjs";
import { gate } from "../support/gate.ts";
import { blake3Hex } from "../support/blake3.ts";

describe("a loaded model", () => {
  test("has the BLAKE3 of its bytes beside the SHA-256, on the model and in the trail", async () => {
    const { root, loader, records } = await gate();
    const bytes = tinyModel().bytes();
    writeFileSync(join(root, "m.gguf"), bytes);
    const model = await loader.load("m.gguf");
    expect(model.blake3).toBe(blake3Hex(bytes));
    expect(model.sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
    expect(model.implementations).toEqual({ sha256: expect.stringMatching(/./u) as string, blake3: expect.stringMatching(/./u) as string });
    expect((await records()).at(-1)).toMatchObject({
      type: "ModelLoaded",
      target: { sha256: model.sha256 },
      details: { blake3: model.blake3, sha256By: model.implementations.sha256, blake3By: model.implementations.blake3 },
    });
  });

  test("of many tiles has the root that the whole file has", async () => {
    const { root, loader } = await gate();
    const file = writeSparseModel(join(root, "m.gguf"), 2 ** 20 + 2 ** 18 + 32);
    const model = await loader.load("m.gguf");
    expect(model.blake3).toBe(blake3Hex(file.bytes()));
  });

  test("in memory has it too", async () => {
    const { loader } = await gate();
    const bytes = sparseModel(2 ** 20 + 64).bytes();
    expect((await loader.validateBytes(bytes)).blake3).toBe(blake3Hex(bytes));
  });
});
