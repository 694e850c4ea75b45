/** How many tests passed, failed and were skipped, read from what the test runners wrote. */
import { readFile } from "node:fs/promises";

export const NONE = Object.freeze({ passed: 0, failed: 0, skipped: 0 });

export function sum(tallies) {
  return tallies.reduce((all, one) => ({
    passed: all.passed + one.passed,
    failed: all.failed + one.failed,
    skipped: all.skipped + one.skipped,
  }), NONE);
}

/** Cargo prints one such line for each test binary and for the doc tests. */
const CARGO_LINE = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;/gm;

export function cargoTally(output) {
  return sum([...output.matchAll(CARGO_LINE)].map(([, passed, failed, skipped]) => ({
    passed: Number(passed), failed: Number(failed), skipped: Number(skipped),
  })));
}

/** Vitest's JSON report. A file that fails to load has no tests in it and still is a failure. */
export async function vitestTally(path) {
  const report = JSON.parse(await readFile(path, "utf8"));
  const broken = report.testResults.filter(({ status, assertionResults }) => status === "failed" && !assertionResults.some((one) => one.status === "failed"));
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** The last such line of a script of our own. */
export function lineTally(output) {
  const [, passed, failed, skipped = 0] = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1) ?? [0, 0, 0];
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
}

/** The line that tools look for at the end of our output. */
export function tallyLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}
