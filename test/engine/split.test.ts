/** Split models against the engine itself: it finds the verified parts by their names, whatever lies under those names in the root. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { tinyModelSpec } from "../fixtures/models.mjs";
import { partName, splitSpecs, writeSet } from "../fixtures/split-models.mjs";
import { folder } from "../support/gate.ts";

const INSTALL_MS_MAX = 310_000;
const LOAD_MS_MAX = 120_000;
const SKIPPED = 75;
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

const CASES = [{ where: "all parts", bare: false }, { where: "all parts but the first", bare: true }];

test.for(CASES)("the engine loads a set with tensors in $where", { timeout: INSTALL_MS_MAX + LOAD_MS_MAX }, async ({ bare }, context) => {
  const found = spawnSync(process.execPath, [path("../../scripts/engine-fixtures.mjs")], { encoding: "utf8", timeout: INSTALL_MS_MAX });
  if (found.status === SKIPPED || found.status === null) context.skip(found.stderr.trim());
  expect(found).toMatchObject({ status: 0 });
  const root = await folder();
  const parts = writeSet(root, "tiny", splitSpecs(tinyModelSpec(), 4, { bare }));
  const args = [path("load-set.mjs"), found.stdout.trim(), root, partName("tiny", 0, 4)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: LOAD_MS_MAX });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const { size, ...told } = JSON.parse(stdout) as { size: number };
  expect(told).toEqual({ parts: 4, tensors: 21, tokens: 5 });
  // The engine counts the tensors' bytes alone: it found those of every part.
  expect(size).toBeGreaterThan(0.8 * parts.reduce((sum, { bytes }) => sum + bytes.length, 0) - 16_384);
});
