/** What reaches a terminal or a log must be inert, and JSON must stay exact. */
import { describe, expect, test } from "vitest";
import { jsonLine, visible } from "../../lib/cli/terminal.ts";

describe("text for people", () => {
  test.each([
    ["\u001B[2J\u001B]0;owned\u0007", "\\u{1B}[2J\\u{1B}]0;owned\\u{7}"],
    ["a\nb\r\tc\u0000", "a\\u{A}b\\u{D}\\u{9}c\\u{0}"],
    ["\u009B31m\u007F", "\\u{9B}31m\\u{7F}"],
    ["safe\u202Efugg.exe", "safe\\u{202E}fugg.exe"],
    ["\u2066x\u2069\u200B\uFEFF\u00AD\u2028\u3164\u{E0041}", "\\u{2066}x\\u{2069}\\u{200B}\\u{FEFF}\\u{AD}\\u{2028}\\u{3164}\\u{E0041}"],
    ["שלום", "\\u{5E9}\\u{5DC}\\u{5D5}\\u{5DD}"],
    ["\uD800x", "\\u{D800}x"],
    ["Größe 数据 ▁Ġ 😀 é", "Größe 数据 ▁Ġ 😀 é"],
  ])("%j", (hostile, shown) => {
    expect(visible(hostile)).toBe(shown);
  });

  test("is cut with its length told, and no character is cut in two", () => {
    expect(visible("abcdef", 3)).toBe("abc… (6 characters)");
    expect(visible("abc", 3)).toBe("abc");
    expect(visible("ab😀d", 3)).toBe("ab… (5 characters)");
  });
});

describe("JSON lines", () => {
  test("are one line of printable ASCII and say exactly what went in", () => {
    const value = { path: "a\n\u001B\u202E\u007F\u2028😀\uD800\u0000\"\\", __proto__: null };
    const line = jsonLine(value);
    expect(line).toMatch(/^[\x20-\x7e]*$/u);
    expect((JSON.parse(line) as { path: string }).path).toBe(value.path);
  });

  test("write whole numbers as numbers while they are exact, as strings beyond", () => {
    expect(jsonLine([1n, -1n, 9007199254740991n, 9007199254740992n, 18446744073709551615n, -9007199254740993n]))
      .toBe('[1,-1,9007199254740991,"9007199254740992","18446744073709551615","-9007199254740993"]');
  });

  test("name numbers that JSON has no word for", () => {
    expect(jsonLine([NaN, Infinity, -Infinity, 0.5])).toBe('["NaN","Infinity","-Infinity",0.5]');
  });
});
