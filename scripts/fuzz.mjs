/**
 * Bounded fuzzing. Exits with 0 when nothing was found, 1 when something was, 2 on wrong usage.
 *
 *     node scripts/fuzz.mjs [TARGET] [--seconds N]      every target, or one, for 60 s or N each
 *
 * A crash leaves its input in the target's artifacts folder and prints how to run it again.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, run } from "./command.mjs";
import { ggufSeeds } from "./fuzz-seeds.mjs";

/** Name, and what fuzzes it for so many seconds. */
const TARGETS = {
  gguf: (seconds) => libFuzzer({ crate: "crates/gguf/fuzz", binary: "parse", seeds: ggufSeeds() }, seconds),
  escape: (seconds) => run(process.execPath, ["test/fuzz/escape.mjs", "--seconds", String(seconds)]),
};

const SECONDS = 60;
/** Promise 2 allows a refusal 50 MB; the rest is libFuzzer's own. */
const MEMORY_MB_MAX = 512;
/** One input is judged in microseconds; only a hang takes so long. */
const INPUT_SECONDS_MAX = 5;
/** Longer inputs show nothing that shorter ones do not. */
const INPUT_BYTES_MAX = 4096;

/** What libFuzzer needs of the compiler: coverage by LLVM's own pass, which stable Rust can run. */
const INSTRUMENTATION = [
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
  "-Ccodegen-units=1",
  "--cfg", "fuzzing",
];

process.exitCode = await main();

async function main() {
  const { names, seconds, problem } = usage();
  if (problem !== undefined) {
    console.error(`fuzz: ${problem}\nusage: node scripts/fuzz.mjs [${Object.keys(TARGETS).join("|")}] [--seconds N]`);
    return 2;
  }
  const failed = [];
  for (const name of names) {
    console.log(`fuzz: ${name} for ${seconds} s`);
    if ((await TARGETS[name](seconds)).code !== 0) failed.push(name);
  }
  console.log(failed.length === 0 ? `fuzz: nothing found in ${names.join(", ")}` : `fuzz: FAILED: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

function usage() {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { seconds: { type: "string" } } });
    const seconds = Number(values.seconds ?? SECONDS);
    if (!Number.isInteger(seconds) || seconds < 1) return { problem: "--seconds takes a whole number from 1" };
    const unknown = positionals.find((name) => !Object.hasOwn(TARGETS, name));
    if (unknown !== undefined) return { problem: `there is no target ${JSON.stringify(unknown)}` };
    return { names: positionals.length > 0 ? positionals : Object.keys(TARGETS), seconds };
  } catch (failure) {
    return { problem: failure.message };
  }
}

async function libFuzzer({ crate, binary, seeds }, seconds) {
  const built = await build(crate, binary);
  if (built.code !== 0) return built;
  const [corpus, artifacts] = [join(ROOT, crate, "corpus", binary), join(ROOT, crate, "artifacts", binary)];
  await mkdir(artifacts, { recursive: true });
  await plant(corpus, seeds);
  return run(built.path, [
    corpus,
    `-dict=${join(ROOT, crate, `${binary}.dict`)}`,
    `-artifact_prefix=${artifacts}/`,
    `-max_total_time=${seconds}`,
    `-rss_limit_mb=${MEMORY_MB_MAX}`,
    `-timeout=${INPUT_SECONDS_MAX}`,
    `-max_len=${INPUT_BYTES_MAX}`,
    "-print_final_stats=1",
    "-verbosity=0",
  ]);
}

async function build(crate, binary) {
  // Naming the machine's own target keeps the flags away from build scripts.
  const { output } = await run("rustc", ["-vV"], { quiet: true });
  const host = /^host: (.+)$/m.exec(output)?.[1];
  if (host === undefined) return { code: 1, output };
  const target = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target", "fuzz");
  const args = ["build", "--release", "--locked", "--target", host, "--bin", binary, "--manifest-path", `${crate}/Cargo.toml`];
  // This form of the variable keeps flags with spaces whole, and beats any RUSTFLAGS of the caller.
  const env = { CARGO_TARGET_DIR: target, CARGO_ENCODED_RUSTFLAGS: INSTRUMENTATION.join("\x1f") };
  const { code } = await run("cargo", args, { env });
  return { code, path: join(target, host, "release", binary) };
}

async function plant(corpus, seeds) {
  await mkdir(corpus, { recursive: true });
  await Promise.all(seeds.map((seed, index) => writeFile(join(corpus, `seed-${index}`), seed)));
}
