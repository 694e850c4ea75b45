import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesJson, escapeText, textJson, unescapeText } from "../../lib/audit/escape.ts";

/** Any sequence of UTF-16 units, lone surrogates and backslash sequences included. */
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.string({ unit: fc.constantFrom("\\", "u", "{", "}", "0", "D", "8", "\ud800", "\udc00", "\u001b", '"') }),
);

describe("escapeText", () => {
  test.each([
    ["plain text", "plain text"],
    ["", ""],
    ["a\\b", "a\\u{005C}b"],
    ["\\u{001B}", "\\u{005C}u{001B}"],
    ["\u001b[31m", "\\u{001B}[31m"],
    ["line\nbreak\0", "line\\u{000A}break\\u{0000}"],
    ["\u007f\u0085\u009b", "\\u{007F}\\u{0085}\\u{009B}"],
    ["\u202egnp.exe\u2028\ufeff\u00ad", "\\u{202E}gnp.exe\\u{2028}\\u{FEFF}\\u{00AD}"],
    ["\u{1f600}", "\\u{1F600}"],
    ["\ud83d", "\\u{D83D}"],
    ["\ude00\ud83d", "\\u{DE00}\\u{D83D}"],
  ])("%j becomes %j", (text, escaped) => {
    expect(escapeText(text)).toBe(escaped);
    expect(unescapeText(escaped)).toBe(text);
  });

  test("gives printable ASCII for any text, and nothing but the text itself back", () => {
    fc.assert(fc.property(anyText, (text) => {
      const escaped = escapeText(text);
      return /^[ -~]*$/.test(escaped) && unescapeText(escaped) === text;
    }), { numRuns: 2_000 });
  });

  test("is the same as a naive walk over the code points", () => {
    const naive = (text: string): string => {
      let out = "";
      for (const char of text) {
        const point = char.codePointAt(0) ?? 0;
        const plain = point >= 0x20 && point <= 0x7e && char !== "\\";
        out += plain ? char : `\\u{${point.toString(16).toUpperCase().padStart(4, "0")}}`;
      }
      return out;
    };
    fc.assert(fc.property(anyText, (text) => escapeText(text) === naive(text)), { numRuns: 2_000 });
  });
});

describe("textJson", () => {
  test("is the escaped text as a JSON string while it fits", () => {
    fc.assert(fc.property(anyText, (text) => JSON.parse(textJson(text, 100_000)) === escapeText(text)), { numRuns: 1_000 });
  });

  test("never takes more room than it was given, and cuts between code points", () => {
    fc.assert(fc.property(anyText, fc.integer({ min: 0, max: 64 }), (text, max) => {
      const value = JSON.parse(textJson(text, max)) as string | { text: string; len: number; truncated: true };
      if (typeof value === "string") return JSON.stringify(value).length <= max + 2;
      return JSON.stringify(value.text).length <= max + 2 && text.startsWith(unescapeText(value.text)) && value.len === text.length;
    }), { numRuns: 2_000 });
  });

  test("a cut text has its length and the digest of all of it", () => {
    const text = "é".repeat(10);
    const sha256 = createHash("sha256").update(text).digest("hex");
    expect(JSON.parse(textJson(text, 20))).toEqual({ text: "\\u{00E9}\\u{00E9}", len: 10, sha256, truncated: true });
  });

  test("a cut text that is not valid Unicode says how it was hashed", () => {
    const text = "\ud800".repeat(10);
    const sha256 = createHash("sha256").update(Buffer.from(text, "utf16le")).digest("hex");
    expect(JSON.parse(textJson(text, 4))).toEqual({ text: "", len: 10, sha256, encoding: "utf16le", truncated: true });
  });

  test("an absurdly long text is hashed up to a bound that is named", () => {
    const text = "a".repeat(20 * 1024 * 1024);
    const hashed = 16 * 1024 * 1024;
    const sha256 = createHash("sha256").update(text.slice(0, hashed)).digest("hex");
    expect(JSON.parse(textJson(text, 3))).toEqual({ text: "aaa", len: text.length, sha256, hashed, truncated: true });
  });
});

describe("bytesJson", () => {
  test("is base64, cut with length and digest where it is too long", () => {
    const bytes = Buffer.from([0, 255, 128, 10]);
    expect(JSON.parse(bytesJson(bytes, 4))).toBe(bytes.toString("base64"));
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    expect(JSON.parse(bytesJson(bytes, 3))).toEqual({ base64: "AP+A", len: 4, sha256, truncated: true });
  });
});
