/**
 * Makes the kernels' committed text anew from their sources. Users need no compiler: the driver takes the text.
 *
 *     node scripts/kernels.mjs            write what a fresh build gives
 *     node scripts/kernels.mjs --check    only say whether it is what is committed
 *
 * The compiler is Debian's, of exactly this version: another one's text differs. test/gpu/kernels.test.ts fetches it where it is missing.
 */
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { ROOT, run } from "./command.mjs";

const FOLDER = resolve(ROOT, "crates/vram/kernels");

/**
 * PTX 6.0 for sm_52 is compiled by every driver since R384. clang needs no toolkit for it, and must not look for one: it would take
 * its version of PTX from there.
 */
const CLANG_ARGS = [
  "-x", "cuda", "--cuda-device-only", "--cuda-gpu-arch=sm_52", "--cuda-path=/nonexistent", "-nocudainc", "-nocudalib",
  "-Xclang", "-target-feature", "-Xclang", "+ptx60", "-O3", "-fno-ident", "-Wall", "-Wextra", "-Werror", "-S",
];

/** Each with its source, what is committed, and the program that makes one of the other. */
export const KERNELS = [
  { name: "kernels.ptx", source: "kernels.cu", program: "clang-16", args: (source, out) => [...CLANG_ARGS, "-o", out, source] },
];

/**
 * The text that a fresh build gives.
 *
 * @param {{ name: string, source: string, args: (source: string, out: string) => string[] }} kernel
 * @param {string} program where the compiler is
 * @param {Record<string, string>} [env] what it needs to run from there
 */
export async function build(kernel, program, env = {}) {
  const out = join(tmpdir(), `${process.pid}-${kernel.name}`);
  const { code, output } = await run(program, kernel.args(join(FOLDER, kernel.source), out), { quiet: true, env });
  if (code !== 0) throw new Error(`${kernel.program} failed with ${code}:\n${output}`);
  return readFile(out, "utf8");
}

/** @param {{ name: string }} kernel */
export function committed(kernel) {
  return readFile(join(FOLDER, kernel.name), "utf8");
}

async function main() {
  const { values: { check } } = parseArgs({ options: { check: { type: "boolean", default: false } } });
  for (const kernel of KERNELS) {
    const text = await build(kernel, kernel.program);
    const same = text === (await committed(kernel));
    if (!same && !check) await writeFile(join(FOLDER, kernel.name), text);
    console.log(`${kernel.name}: ${same ? "as committed" : check ? "NOT as committed" : "written"}`);
    if (!same && check) process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
