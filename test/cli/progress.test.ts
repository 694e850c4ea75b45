/** The line that says how far the work is. */
import { describe, expect, test } from "vitest";
import { Progress, watched } from "../../lib/cli/progress.ts";
import { secondsText, sizeText } from "../../lib/cli/units.ts";

const CLEAR = "\r\u001B[2K";

function screen(columns = 120): { text: string[]; columns: number; write(text: string): void } {
  const text: string[] = [];
  return { text, columns, write: (line) => void text.push(line) };
}

describe("progress", () => {
  test("says name, share, amount, speed and time left", () => {
    const view = screen();
    let now = 0;
    const progress = new Progress(view, 1, 4_000_000_000, () => now);
    now = 500;
    progress.advance(0, "llama.gguf", 1_000_000_000);
    expect(view.text).toEqual([`${CLEAR}llama.gguf  [#####---------------]  25 %  1.00 GB of 4.00 GB  2.00 GB/s  2 s left`]);
  });

  test("adds up several files", () => {
    const view = screen();
    let now = 0;
    const progress = new Progress(view, 3, 3000, () => now);
    now = 1000;
    progress.advance(0, "a", 1000);
    progress.finish();
    now = 2000;
    progress.advance(1, "b", 500);
    expect(view.text[1]).toBe(`${CLEAR}2/3 b  [##########----------]  50 %  1.50 kB of 3.00 kB  0.00 GB/s  2 s left`);
  });

  test("draws at most 20 times a second", () => {
    const view = screen();
    let now = 0;
    const progress = new Progress(view, 1, 1000, () => now);
    for (now = 0; now < 1000; now++) progress.advance(0, "a", now);
    expect(view.text.length).toBeLessThanOrEqual(20);
    expect(view.text.length).toBeGreaterThan(15);
  });

  test("leaves no trace, and writes nothing where nothing was drawn", () => {
    const view = screen();
    const progress = new Progress(view, 1, 1000, () => 0);
    progress.clear();
    expect(view.text).toEqual([]);
    progress.advance(0, "a", 1);
    progress.clear();
    progress.clear();
    expect(view.text.slice(1)).toEqual([CLEAR]);
  });

  test.each([20, 40, 60, 80, 200])("fits %i columns, however long and hostile the name", (columns) => {
    const view = screen(columns);
    const progress = new Progress(view, 9, 0, () => 0);
    progress.advance(0, "\u001B[2J".repeat(100), 5);
    const line = view.text[0]?.slice(CLEAR.length) ?? "";
    expect(line.length).toBeLessThan(columns);
    expect(line).not.toContain("\u001B");
  });

  test("is drawn on a terminal only", () => {
    expect(watched({ write: () => true }, "xterm")).toBe(false);
    expect(watched({ isTTY: true, write: () => true }, "dumb")).toBe(false);
    expect(watched({ isTTY: true, write: () => true }, "xterm")).toBe(true);
  });
});

describe("units", () => {
  test.each([[0, "0 bytes"], [999, "999 bytes"], [1000, "1.00 kB"], [999_999, "1.00 MB"], [4_920_000_000, "4.92 GB"], [1e18, "1.00e+3 PB"]])("%d", (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });
  test.each([[0.2, "1 s"], [59, "59 s"], [61, "1 min 1 s"], [3601, "1 h 0 min"]])("%d s", (seconds, text) => {
    expect(secondsText(seconds)).toBe(text);
  });
});
