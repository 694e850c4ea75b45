/** What the addon does for a whole batch, against the same done record by record in JavaScript. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LEAF_DIGITS, NO_PREVIOUS } from "../../lib/audit/chain.ts";
import { native } from "../../lib/native.ts";
import { fold, leafHash } from "../../lib/tlog/hash.ts";

const lineOf = (fill: string, prev: string): string => `{"fill":"${fill}","prev":"${prev}"}`;
const hashText = fc.string({ unit: fc.constantFrom("0", "3", "9", "a", "c", "f"), minLength: LEAF_DIGITS, maxLength: LEAF_DIGITS });
const fillText = fc.string({ unit: fc.constantFrom("a", " ", "{", "}", ":", ",", "\\"), maxLength: 200 });

describe("a batch of lines", () => {
  test("is chained as one line after the other would be", () => {
    fc.assert(fc.property(fc.array(fillText, { maxLength: 12 }), hashText, (fills, previous) => {
      let [head, text, hashes] = [previous, "", ""];
      for (const fill of fills) {
        const line = lineOf(fill, head);
        head = leafHash(line);
        text += `${line}\n`;
        hashes += head;
      }
      const lines = Buffer.from(fills.map((fill) => `${lineOf(fill, NO_PREVIOUS)}\n`).join(""));
      expect(native.linkLines(lines, previous)).toBe(hashes);
      expect(lines.toString()).toBe(text);
    }), { numRuns: 300 });
  });

  test("that has no room for a hash, or follows none, is refused", () => {
    expect(() => native.linkLines(Buffer.from("{}\n"), NO_PREVIOUS)).toThrow("a line must end with 64 characters for a hash");
    expect(() => native.linkLines(Buffer.from(lineOf("", NO_PREVIOUS)), NO_PREVIOUS)).toThrow("a newline");
    expect(() => native.linkLines(Buffer.from(`${lineOf("", NO_PREVIOUS)}\n`), "ab")).toThrow("64 hexadecimal digits");
  });
});

describe("hashes of one height", () => {
  test("are folded as JavaScript folds them", () => {
    for (let count = 1; count <= 256; count *= 2) {
      const hashes = Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.from(leafHash(String(i)), "hex")));
      expect(native.foldHashes(hashes)).toEqual(fold(hashes));
    }
  });

  test("that are no perfect tree are refused", () => {
    for (const bytes of [0, 31, 33, 96]) expect(() => native.foldHashes(Buffer.alloc(bytes))).toThrow("not the hashes of a perfect tree");
  });
});
