/**
 * Everything that must hold before a change is good: format, lints, both languages' tests, a bounded fuzz, the tour.
 * CI runs exactly this. Ends with one line: N passed, N failed[, N skipped].
 *
 *     node scripts/check.mjs            all of it
 *     node scripts/check.mjs --quick    without the fuzzing
 *
 * A step without test counts of its own is one check, passed or failed.
 */
import { mkdir, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, run, TIMED_OUT, tool } from "./command.mjs";
import { installDependencies, prerequisitesMet } from "./prerequisites.mjs";
import { PORTABLE } from "./portable.mjs";
import { cargoTally, lineTally, NONE, sum, tallyLine, vitestTally } from "./tally.mjs";

const FUZZ_SECONDS = 30;
/** A test that hangs must cost its step, not the whole run. Each takes a third of it on a busy machine. */
const STEP_MINUTES_MAX = 25;
const REPORT = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target", "vitest.json");

/** In this order. `needs` names steps without which a step says nothing; `tool` one that may be absent; `tally` counts tests. */
const STEPS = [
  { name: "prerequisites", run: prerequisites },
  { name: "npm ci", run: () => installDependencies() },
  { name: "cargo fmt", tool: "cargo fmt", run: () => run("cargo", ["fmt", "--all", "--check"]) },
  {
    name: "cargo clippy", tool: "cargo clippy",
    run: () => bounded("cargo", ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
  },
  {
    name: "cargo test",
    run: () => bounded("cargo", ["test", "--locked", "--workspace", "--no-fail-fast"]),
    tally: ({ output }) => cargoTally(output),
  },
  {
    name: "cargo test, portable digests", long: true,
    run: () => bounded("cargo", ["test", "--locked", "--package", "digest@0.1.0", ...PORTABLE.args], { env: PORTABLE.env }),
    tally: ({ output }) => cargoTally(output),
  },
  { name: "build", needs: ["npm ci"], run: () => bounded(process.execPath, ["scripts/build.mjs"]) },
  { name: "types", needs: ["npm ci"], run: () => bounded(tool("tsc"), ["-p", "test/tsconfig.json"]) },
  { name: "eslint", needs: ["npm ci"], run: () => bounded(tool("eslint"), [".", "--max-warnings", "0"]) },
  { name: "vitest", needs: ["build"], run: vitest, tally: () => vitestTally(REPORT) },
  // libFuzzer is C++.
  { name: "fuzz gguf", long: true, tool: "c++", run: () => fuzz("gguf") },
  { name: "fuzz escape", long: true, needs: ["build"], run: () => fuzz("escape") },
  {
    name: "gpu", needs: ["build"],
    run: () => bounded(process.execPath, ["scripts/gpu-check.mjs", "--built"]),
    tally: ({ output }) => lineTally(output),
  },
  { name: "tour", needs: ["build"], run: () => bounded(process.execPath, ["scripts/quickstart.mjs"]) },
];

const { values: { quick } } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const results = await runAll(STEPS.filter((step) => !(quick && step.long)));
process.exitCode = report(results);

async function runAll(steps) {
  const results = [];
  const failed = new Set();
  for (const step of steps) {
    console.log(`\n== ${step.name}`);
    const startedMs = performance.now();
    const result = await runOne(step, failed);
    if (result.state !== "passed") console.log(`${step.name}: ${result.state}`);
    if (result.tally.failed > 0 || result.unusable) failed.add(step.name);
    results.push({ name: step.name, seconds: (performance.now() - startedMs) / 1000, ...result });
  }
  return results;
}

async function runOne(step, failed) {
  const absent = step.needs?.find((name) => failed.has(name));
  if (absent !== undefined) return skipped(`not run, because ${absent} failed`);
  if (step.tool !== undefined && !(await installed(step.tool))) {
    return { ...skipped(`skipped, because ${step.tool} is not installed`), unusable: false };
  }
  const outcome = await step.run();
  return judged(outcome, await counted(step, outcome));
}

async function installed(command) {
  const [name, ...args] = command.split(" ");
  return (await run(name, [...args, "--version"], { quiet: true })).code === 0;
}

function skipped(state) {
  return { state, unusable: true, tally: { ...NONE, skipped: 1 } };
}

async function counted(step, outcome) {
  try {
    return (await step.tally?.(outcome)) ?? NONE;
  } catch {
    // No report was written: the exit status alone speaks.
    return NONE;
  }
}

/** A failure that no test accounts for is one failed check; so is a runner that ran nothing. */
function judged({ code }, tally) {
  const state = code === 0 ? "passed" : `FAILED (exit ${code}${code === TIMED_OUT ? `: ended after ${STEP_MINUTES_MAX} minutes` : ""})`;
  if (code !== 0) return { state, tally: { ...tally, failed: Math.max(1, tally.failed) } };
  return { state, tally: tally.passed + tally.failed + tally.skipped === 0 ? { ...NONE, passed: 1 } : tally };
}

function bounded(command, args, options = {}) {
  return run(command, args, { ...options, minutesMax: STEP_MINUTES_MAX });
}

async function prerequisites() {
  return { code: (await prerequisitesMet()) ? 0 : 1 };
}

async function vitest() {
  await mkdir(resolve(REPORT, ".."), { recursive: true });
  await rm(REPORT, { force: true });
  return bounded(tool("vitest"), ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${REPORT}`]);
}

function fuzz(target) {
  return bounded(process.execPath, ["scripts/fuzz.mjs", target, "--seconds", String(FUZZ_SECONDS)]);
}

function report(results) {
  const width = Math.max(...results.map(({ name }) => name.length));
  const rows = results.map(({ name, seconds, state, tally }) =>
    `${name.padEnd(width)}  ${seconds.toFixed(1).padStart(6)} s  ${state}${state === "passed" ? `: ${tallyLine(tally)}` : ""}`);
  const total = sum(results.map(({ tally }) => tally));
  console.log(["", ...rows, tallyLine(total)].join("\n"));
  return total.failed === 0 ? 0 : 1;
}
