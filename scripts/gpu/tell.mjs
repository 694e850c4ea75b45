/** What a step says to the check that runs it: one line of JSON a message, written at once, for the process may end at any moment. */
import { writeSync } from "node:fs";

const plain = (_, value) => (typeof value === "bigint" ? String(value) : value);

function say(message) {
  const line = Buffer.from(`${JSON.stringify(message, plain)}\n`);
  for (let at = 0; at < line.length;) at += writeSync(1, line, at);
}

export const tell = {
  check: (name, good, text) => { say({ kind: "check", name, good, text }); return good; },
  skip: (name, text) => say({ kind: "skip", name, text }),
  goal: (name, met, text) => say({ kind: "goal", name, met, text }),
  measured: (name, value, unit, predicted) => say(Number.isFinite(value) ? { kind: "measured", name, value, unit, predicted } : { kind: "row", name, text: "not measured" }),
  figure: (name, value) => say({ kind: "figure", name, value }),
  more: (name, value) => say({ kind: "figure", name, value, more: true }),
  row: (name, text) => say({ kind: "row", name, text }),
  done: () => say({ kind: "done" }),
};
