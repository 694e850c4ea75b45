/** Counts the strings in metadata that a peer has turned into JavaScript values, however it nests them. */
export function stringsIn(values) {
  return values.reduce((sum, value) => sum + countOf(value), 0);
}

function countOf(value) {
  if (typeof value === "string") return 1;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return 0;
  return stringsIn(Object.values(value));
}
