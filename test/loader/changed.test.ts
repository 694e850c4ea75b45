/** A file that does not hold still while it is read. */
import { appendFileSync, closeSync, openSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeSparseModel } from "../fixtures/models.mjs";
import { gate, refusal } from "../support/gate.ts";

const GIB = 2 ** 30;

const changes: [string, (path: string) => void][] = [
  ["truncated", (path) => { truncateSync(path, GIB / 4); }],
  ["truncated to nothing", (path) => { truncateSync(path, 0); }],
  ["made longer", (path) => { appendFileSync(path, "x"); }],
  ["rewritten in place, where it was read already", (path) => { overwrite(path, GIB / 64); }],
  ["rewritten in place, where it was not read yet", (path) => { overwrite(path, GIB * 2 - 4096); }],
];

function overwrite(path: string, at: number): void {
  const fd = openSync(path, "r+");
  writeSync(fd, "x", at);
  closeSync(fd);
}

describe("a file that is changed while it is read", () => {
  test.each(changes)("is refused as CRITICAL: %s", async (_, change) => {
    const { root, loader, records } = await gate();
    const path = join(root, "big.gguf");
    writeSparseModel(path, 2 * GIB);
    let changed = false;
    const error = await refusal(loader.load("big.gguf", {
      onProgress: ({ bytesDone }) => {
        if (changed || bytesDone < GIB / 8 || bytesDone > GIB) return;
        changed = true;
        change(path);
      },
    }));
    expect(changed).toBe(true);
    expect(error).toMatchObject({ code: "CHANGED_WHILE_READ", severity: "CRITICAL", retriable: true });
    expect((await records()).at(-1)).toMatchObject({ type: "IntegrityViolation", sev: "CRITICAL", reason: "CHANGED_WHILE_READ" });
  });
});
