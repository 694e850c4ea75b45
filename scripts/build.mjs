/**
 * Builds dist/: the native library and the TypeScript. Needs nothing but Node, npm and Rust; fetches the rest.
 *
 * With --portable the digests are computed without the CPU's own instructions for them: slow, for a machine whose
 * instructions are not to be trusted, and for comparing.
 */
import { chmod } from "node:fs/promises";
import { resolve } from "node:path";
import { ROOT, run, tool } from "./command.mjs";
import { PORTABLE } from "./portable.mjs";
import { installDependencies, prerequisitesMet } from "./prerequisites.mjs";

const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target");

const portable = process.argv.includes("--portable");

const STEPS = [
  ["npm ci", () => installDependencies()],
  ["native library", () => run(tool("napi"), [...NATIVE, ...(portable ? PORTABLE.args : [])], portable ? { env: PORTABLE.env } : {})],
  ["TypeScript", () => run(tool("tsc"), ["-p", "tsconfig.json"])],
];

// Our own loader and types stand in lib/native.ts; what napi generates beside the library goes where it is in nobody's way.
const NATIVE = [
  "build", "--platform", "--release", "--no-js", "--dts", resolve(TARGET, "native.d.ts"),
  "--manifest-path", "crates/node/Cargo.toml", "--output-dir", "dist", "--", "--locked",
];

process.exitCode = await build();

async function build() {
  if (!(await prerequisitesMet())) return 1;
  for (const [name, step] of STEPS) {
    const { code } = await step();
    if (code !== 0) {
      console.error(`build: ${name} failed`);
      return 1;
    }
  }
  await chmod(resolve(ROOT, "dist/cli/main.js"), 0o755);
  return 0;
}
