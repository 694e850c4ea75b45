/** Rounds in turn, medians, ratios, goals: the arithmetic that all benchmarks share. */

/**
 * Runs all contestants once a round, in an order that rotates, so that a slow minute of the machine hits all alike.
 * A round's answer goes to 'check', which throws where it is wrong: a fast wrong answer is no result.
 */
export async function race(contestants, { rounds, check = () => {} }) {
  const seen = new Map(contestants.map(({ name }) => [name, { times: [], extra: {} }]));
  for (let round = -1; round < rounds; round++) {
    for (const contestant of rotated(contestants, round + 1)) {
      const { ms, answer, ...extra } = await contestant.run();
      check(answer, contestant.name);
      // The first round fills caches and compiles; it is checked like the others and not counted.
      if (round >= 0) note(seen.get(contestant.name), ms, extra);
    }
  }
  return [...seen].map(([name, { times, extra }]) => ({ name, ...summary(times), ...extra }));
}

/** Of the further figures (memory, delays) the worst round counts. */
function note(row, ms, extra) {
  row.times.push(ms);
  for (const [name, value] of Object.entries(extra)) row.extra[name] = Math.max(value, row.extra[name] ?? 0);
}

function rotated(list, by) {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

export function summary(times) {
  const sorted = times.toSorted((a, b) => a - b);
  return { medianMs: rounded(median(sorted)), minMs: rounded(sorted[0]), maxMs: rounded(sorted.at(-1)), rounds: sorted.length };
}

function median(sorted) {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function rounded(number, digits = 4) {
  return Number(number.toPrecision(digits));
}

/** How many times as long as ours each row took. */
export function withRatios(rows, ours) {
  const base = rows.find(({ name }) => name === ours);
  return rows.map((row) => ({ ...row, timesOurs: rounded(row.medianMs / base.medianMs, 3) }));
}

/** A goal that is met or missed; not measured where the peer could not be had. */
export function goal(text, value, met) {
  if (value === undefined || Number.isNaN(value)) return { goal: text, value: null, verdict: "not measured" };
  return { goal: text, value: rounded(value, 3), verdict: met(value) ? "met" : "MISSED" };
}

/** Median of one row, or NaN, which makes every goal built on it "not measured". */
export function medianOf(rows, name) {
  return rows.find((row) => row.name === name)?.medianMs ?? Number.NaN;
}

export function demandEqual(found, expected, who) {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${who} answered ${left}, the file holds ${right}`);
}
