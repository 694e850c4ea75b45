/** The command line's grammar: what is wrong is named, nothing is guessed. */
import { describe, expect, test } from "vitest";
import { digest, parseCommand, UsageError, wholeNumber } from "../../lib/cli/args.ts";
import { toText } from "../../lib/cli/byte-path.ts";
import { didYouMean } from "../../lib/cli/suggest.ts";
import { VERIFY_GRAMMAR } from "../../lib/cli/verify-ask.ts";

const parse = (...args: string[]) => parseCommand(args, VERIFY_GRAMMAR);

describe("a command line that is wrong is refused with what to write instead", () => {
  test.each([
    [["--rot", "x"], "There is no option --rot. Did you mean --root?"],
    [["--jsn"], "There is no option --jsn. Did you mean --json?"],
    [["-x"], "There is no option -x. A file of that name is written after --, as in: -- -x"],
    [["--root"], "--root needs a value."],
    [["--root="], "--root needs a value."],
    [["--root", "--json"], "--root needs a value; if --json is meant, write --root=--json."],
    [["--json=yes"], "--json takes no value."],
    [["--sha256", "a", "--sha256", "b"], "--sha256 is given twice; which one is meant cannot be guessed."],
    [["--\u001B[31m"], "There is no option --\\u{1B}[31m. A file of that name is written after --, as in: -- --\\u{1B}[31m"],
  ])("%j", (args, message) => {
    expect(() => parse(...args)).toThrow(new UsageError(message));
  });

  test.each(["", "-1", "1e9", "0x10", "1.5", " 1", "1 ", "9007199254740992", "ten", "١"])("%j is no number of bytes", (text) => {
    expect(() => wholeNumber(text, "max-bytes")).toThrow(/--max-bytes must be a whole number in plain digits/u);
  });

  test.each(["", "abc", "g".repeat(64), "a".repeat(63), "a".repeat(65), ` ${"a".repeat(63)}`])("%j is no digest", (text) => {
    expect(() => digest(text, "sha256")).toThrow(/--sha256 must be 64 hex digits/u);
  });
});

describe("a command line that is right", () => {
  test("gives flags, options and names in any order", () => {
    const { flags, options, names } = parse("a.gguf", "--json", "--root", "/models", "b.gguf", "--actor=--me");
    expect([...flags]).toEqual(["json"]);
    expect(Object.fromEntries(options)).toEqual({ root: "/models", actor: "--me" });
    expect(names.map(toText)).toEqual(["a.gguf", "b.gguf"]);
  });

  test("takes everything after -- as names", () => {
    expect(parse("--", "--json", "-x").names.map(toText)).toEqual(["--json", "-x"]);
  });

  test("a flag may be repeated", () => {
    expect([...parse("--json", "--json").flags]).toEqual(["json"]);
  });

  test("numbers and digests", () => {
    expect(wholeNumber(undefined, "max-bytes")).toBeUndefined();
    expect(wholeNumber("0", "max-bytes")).toBe(0);
    expect(wholeNumber("9007199254740991", "max-bytes")).toBe(Number.MAX_SAFE_INTEGER);
    expect(digest("AB".repeat(32), "sha256")).toBe("ab".repeat(32));
  });
});

describe("did you mean", () => {
  const known = ["verify", "inspect", "audit"];
  test.each([
    ["verfy", " Did you mean verify?"],
    ["insepct", " Did you mean inspect?"],
    ["verification", ""],
    ["verify-all", " Did you mean verify?"],
    ["zzz", ""],
    ["x".repeat(100_000), ""],
  ])("%.20s", (word, sentence) => {
    expect(didYouMean(word, known)).toBe(sentence);
  });
});
