/** Rows as a table for people: one column for each figure that any row has. */
export function printed(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? "")))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index].length)));
  // Names stand left, figures right.
  const cell = (text, index) => (index === 0 ? text.padEnd(widths[0]) : text.padStart(widths[index]));
  return lines.map((line) => `  ${line.map(cell).join("  ")}`).join("\n");
}
