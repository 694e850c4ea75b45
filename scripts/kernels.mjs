/**
 * Makes the kernels' committed text anew from their sources. Users need no compiler: the driver takes the text.
 *
 *     node scripts/kernels.mjs            write what a fresh build gives
 *     node scripts/kernels.mjs --check    only say whether it is what is committed
 *
 * The compilers are Debian's, of exactly its versions: another one's text differs. test/gpu/kernels.test.ts fetches them where they are
 * missing.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { ROOT, run } from "./command.mjs";

const FOLDER = resolve(ROOT, "crates/vram/kernels");
const HEADER_WORDS = 5;

/**
 * PTX 6.0 for sm_52 is compiled by every driver since R384. clang needs no toolkit for it, and must not look for one: it would take
 * its version of PTX from there.
 */
const CLANG_ARGS = [
  "-x", "cuda", "--cuda-device-only", "--cuda-gpu-arch=sm_52", "--cuda-path=/nonexistent", "-nocudainc", "-nocudalib",
  "-Xclang", "-target-feature", "-Xclang", "+ptx60", "-O3", "-fno-ident", "-Wall", "-Wextra", "-Werror", "-S",
];

/** SPIR-V 1.3, which came with Vulkan 1.1. Nothing in it names a file or a variable. */
const GLSLANG_ARGS = ["--target-env", "vulkan1.1", "-g0"];

/** Each with its source, what is committed, and the program that makes one of the other. */
export const KERNELS = [
  { name: "kernels.ptx", source: "kernels.cu", program: "clang-16", args: (source, out) => [...CLANG_ARGS, "-o", out, source], text: String },
  ...["tiles", "parents"].map((name) => (
    { name: `${name}.spv.txt`, source: `${name}.comp`, program: "glslangValidator", args: (source, out) => [...GLSLANG_ARGS, "-o", out, source], text: wordsOf }
  )),
];

/**
 * The text that a fresh build gives.
 *
 * @param {{ name: string, source: string, args: (source: string, out: string) => string[], text: (bytes: Buffer) => string }} kernel
 * @param {string} program where the compiler is
 * @param {Record<string, string>} [env] what it needs to run from there
 */
export async function build(kernel, program, env = {}) {
  const out = join(tmpdir(), `${process.pid}-${kernel.name}`);
  const { code, output } = await run(program, kernel.args(join(FOLDER, kernel.source), out), { quiet: true, env });
  if (code !== 0) throw new Error(`${kernel.program} failed with ${code}:\n${output}`);
  const bytes = await readFile(out);
  await rm(out);
  return kernel.text(bytes);
}

/**
 * A module as an array of words that Rust includes, one instruction a line: so a change of the source changes a few lines, and git
 * shows which. The first line is the header.
 */
function wordsOf(module) {
  const words = Array.from({ length: module.length / 4 }, (_, at) => module.readUInt32LE(4 * at));
  const lines = [words.slice(0, HEADER_WORDS)];
  for (let at = HEADER_WORDS; at < words.length; at += lines.at(-1).length) {
    // An instruction's first word holds its length.
    lines.push(words.slice(at, at + Math.max(words[at] >>> 16, 1)));
  }
  return `&[\n${lines.map((line) => `    ${line.map(hexadecimal).join(", ")},\n`).join("")}]\n`;
}

function hexadecimal(word) {
  const digits = word.toString(16).padStart(8, "0");
  return `0x${digits.slice(0, 4)}_${digits.slice(4)}`;
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
