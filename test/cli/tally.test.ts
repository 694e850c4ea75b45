/** The check's last line counts what the runners counted, and never loses a failure. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cargoTally, sum, tallyLine, vitestTally } from "../../scripts/tally.mjs";
import { folder } from "./support.ts";

test("cargo's lines are added up, over all binaries and the doc tests", () => {
  const output = [
    "running 3 tests", "test a ... ok", "",
    "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
    "test result: FAILED. 40 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
    "a test that prints: test result: ok. 900 passed; 0 failed; 0 ignored;",
  ].join("\n");
  expect(cargoTally(output)).toEqual({ passed: 42, failed: 3, skipped: 1 });
  expect(cargoTally("error: could not compile")).toEqual({ passed: 0, failed: 0, skipped: 0 });
});

describe("vitest's report", () => {
  async function tallyOf(report: object): Promise<unknown> {
    const path = join(await folder(), "report.json");
    writeFileSync(path, JSON.stringify(report));
    return vitestTally(path);
  }

  test("counts passed, failed, skipped and todo", async () => {
    const testResults = [{ status: "failed", assertionResults: [{ status: "failed" }, { status: "passed" }] }];
    expect(await tallyOf({ numPassedTests: 5, numFailedTests: 1, numPendingTests: 2, numTodoTests: 1, testResults }))
      .toEqual({ passed: 5, failed: 1, skipped: 3 });
  });

  test("a file that could not be loaded is a failure", async () => {
    const testResults = [{ status: "failed", assertionResults: [] }, { status: "passed", assertionResults: [{ status: "passed" }] }];
    expect(await tallyOf({ numPassedTests: 1, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults }))
      .toEqual({ passed: 1, failed: 1, skipped: 0 });
  });
});

test("the line", () => {
  expect(tallyLine({ passed: 3, failed: 0, skipped: 0 })).toBe("3 passed, 0 failed");
  expect(tallyLine(sum([{ passed: 3, failed: 1, skipped: 0 }, { passed: 1, failed: 0, skipped: 2 }]))).toBe("4 passed, 1 failed, 2 skipped");
});
