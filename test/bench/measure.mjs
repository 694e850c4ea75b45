/** Rounds in turn, medians, ratios, goals: the arithmetic that all benchmarks share. */
import { randomInt } from "node:crypto";

/** A contestant that failed or died. */
export class Lost extends Error {}

/**
 * Runs all contestants once a round, so that a slow minute of the machine hits all alike, and in an order that is drawn anew each
 * time: who always comes after the same one would pay for what that leaves behind, such as deleted files that the disk still discards.
 * A round's answer goes to 'check', which throws where it is wrong: a fast wrong answer is no result.
 * A lost contestant costs its row and no more.
 */
export async function race(contestants, { rounds, check = () => {} }) {
  const rows = new Map(contestants.map(({ name }) => [name, { times: [], extra: {} }]));
  for (let round = -1; round < rounds; round++) {
    for (const { name, run } of shuffled(contestants)) {
      if (rows.has(name)) await once(rows, name, run, check, round >= 0);
    }
  }
  return [...rows].map(([name, { times, extra }]) => ({ name, ...summary(times), ...extra }));
}

/** The first round fills caches and compiles; it is checked like the others and not counted. */
async function once(rows, name, run, check, counted) {
  try {
    const { ms, answer, ...extra } = await run();
    check(answer, name);
    if (counted) note(rows.get(name), ms, extra);
  } catch (failure) {
    if (!(failure instanceof Lost)) throw failure;
    console.error(`lost: ${failure.message}`);
    rows.delete(name);
  }
}

/** Of the further figures (memory, delays) the worst round counts. */
function note(row, ms, extra) {
  row.times.push(ms);
  for (const [name, value] of Object.entries(extra)) row.extra[name] = Math.max(value, row.extra[name] ?? 0);
}

/** Fisher and Yates. */
function shuffled(list) {
  const order = [...list];
  for (let last = order.length - 1; last > 0; last--) {
    const one = randomInt(last + 1);
    [order[last], order[one]] = [order[one], order[last]];
  }
  return order;
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
  if (base === undefined) throw new Error(`${ours} did not finish, so there is nothing to compare`);
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
