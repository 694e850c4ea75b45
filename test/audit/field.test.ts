import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textOrDescription } from "../../lib/audit/describe.ts";
import { TextField } from "../../lib/audit/field.ts";

const NAME = ',"actor":';
const MAX = 24;

/** A few values that return often, plain, hostile, too long and of the wrong kind, among any others. */
const value = fc.oneof(
  fc.constantFrom("alice", "bob", "", "a\u202eb", '"quoted"', "x".repeat(MAX), "x".repeat(MAX + 1), "\n".repeat(5), "\ud800"),
  fc.constantFrom(undefined, null, 5, "5", Number.NaN, true),
  fc.string({ unit: "binary", maxLength: 2 * MAX }),
);

describe("a field of text", () => {
  test("is the same JSON whatever came before it", () => {
    fc.assert(fc.property(fc.array(value, { maxLength: 60 }), (values) => {
      const field = new TextField(NAME, MAX);
      expect(values.map((each) => field.json(each))).toEqual(values.map((each) => (each === undefined ? "" : NAME + textOrDescription(each, MAX))));
    }), { numRuns: 2_000 });
  });

  test("is absent without a value, and remembered all the same", () => {
    const field = new TextField(NAME, MAX);
    expect(["alice", undefined, "alice", undefined, "alice", "bob", "alice"].map((each) => field.json(each)))
      .toEqual([`${NAME}"alice"`, "", `${NAME}"alice"`, "", `${NAME}"alice"`, `${NAME}"bob"`, `${NAME}"alice"`]);
  });
});
