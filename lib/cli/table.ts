/** Columns for people. */

/** A column that a hostile name would stretch across the screen stops here. */
const COLUMN_WIDTH_MAX = 48;

/** Rows as lines, each column as wide as its widest cell; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) =>
    rows.reduce((width, row) => Math.max(width, Math.min(COLUMN_WIDTH_MAX, row[column]?.length ?? 0)), title.length));
  return [head, ...rows].map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
}
