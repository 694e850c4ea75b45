/**
 * The CUDA driver that tests run on (test/gpu/driver-double), and a process of its own for each use: a library path is read as a
 * process starts, and what fails is said in a file that the driver reads at each call.
 */
import { execFile } from "node:child_process";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { distIndex } from "./dist.ts";
import { folder } from "./gate.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TARGET = fileURLToPath(new URL("../../target/driver-double", import.meta.url));

/** Building it on a busy machine. */
export const DOUBLE_MS_MAX = 600_000;

/** What a program ends with. */
export interface Told {
  /** What it told, in order. */
  readonly said: readonly unknown[];
  readonly stderr: string;
}

let library: Promise<Buffer> | undefined;

/** The driver's library. Cargo's own lock makes two test files wait for each other. */
export function builtDouble(): Promise<Buffer> {
  library ??= built("driver-double", "libdriver_double.so").then((path) => readFile(path));
  return library;
}

/** The file of the addon by which the check for machines with a GPU calls the driver past the product. */
export function builtProbe(): Promise<string> {
  return built("gpu-probe", "libgpu_probe.so");
}

async function built(crate: string, file: string): Promise<string> {
  await promisify(execFile)("cargo", ["build", "--locked", "--release", "--package", crate, "--target-dir", TARGET], { cwd: ROOT });
  return join(TARGET, "release", file);
}

/** The environment of a process that finds the driver, without the functions in `missing`, until the test is over. */
export async function installedDouble(missing: readonly string[] = []): Promise<NodeJS.ProcessEnv> {
  return { ...process.env, ...(await installDouble(await folder(), missing)) };
}

/** Puts the driver into the folder `home`; what a process needs in its environment to find it there, and no other. */
export async function installDouble(home: string, missing: readonly string[] = []): Promise<Record<string, string>> {
  await writeFile(join(home, "libcuda.so.1"), hidden(await builtDouble(), missing));
  await symlink("libcuda.so.1", join(home, "libnvidia-ml.so.1"));
  await writeFile(join(home, "faults"), "");
  return { ...NO_VULKAN, LD_LIBRARY_PATH: home, DRIVER_DOUBLE: join(home, "faults") };
}

/** Vulkan's loader looks nowhere then: what a machine happens to have must not decide a test. */
export const NO_VULKAN = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" };

/** A changed first letter, and nobody finds the function any more. */
function hidden(library: Buffer, missing: readonly string[]): Buffer {
  const changed = Buffer.from(library);
  for (const name of missing) {
    const text = Buffer.from(`\0${name}\0`);
    let at = changed.indexOf(text);
    if (at === -1) throw new Error(`the driver has no ${name}`);
    for (; at !== -1; at = changed.indexOf(text, at + 1)) changed[at + 1] = 0x5f;
  }
  return changed;
}

/** What every program has at hand. `fails` says what the driver does wrong from now on. */
const TOOLS = `
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Registry } from "prom-client";
import { tinyModel } from "${ROOT}test/fixtures/models.mjs";
const home = process.env.PROGRAM_HOME;
// What runs in the background keeps no process alive; a test waits for it.
const alive = setInterval(() => undefined, 1000);
const fails = (text) => { const path = process.env.DRIVER_DOUBLE; writeFileSync(path + ".new", text); renameSync(path + ".new", path); };
const plain = (_, value) => typeof value === "bigint" ? String(value) : value instanceof Error ? { ...value, message: value.message } : value;
const tell = (value) => console.log(JSON.stringify(value, plain) ?? "null");
const caught = (call) => Promise.resolve(call).then((value) => ({ value }), (error) => error);
const records = () => readdirSync(join(home, "audit/log")).sort().flatMap((name) =>
  readFileSync(join(home, "audit/log", name), "utf8").trim().split("\\n").map((line) => JSON.parse(line)));
const metric = async (name, labels = {}) => (await registry.getSingleMetric("model_loader_vram_" + name).get()).values
  .filter((one) => Object.entries(labels).every(([key, value]) => one.labels[key] === value)).reduce((sum, one) => sum + one.value, 0);
mkdirSync(join(home, "models"));
// A few tiles, so that one of them can be wrong; the double hashes some 20 MB a second.
tinyModel({ blocks: 16 }).save(join(home, "models/m.gguf"));
const registry = new Registry();
const audit = await AuditLog.open(join(home, "audit"));
const loader = await ModelLoader.open({ root: join(home, "models"), audit, registry });
// The double computes on a busy processor: what it takes by the wall's clock must not decide a test.
const seal = loader.seal.bind(loader);
loader.seal = (path, options) => seal(path, options?.policy === undefined || typeof options.policy === "object" ? { ...options, policy: { slowFactor: 1000, ...options?.policy } } : options);
`;

/** Runs the text as a module in a process of its own, whose `tell(value)` reaches the test. */
export async function program(text: string, env: NodeJS.ProcessEnv, ...flags: string[]): Promise<Told> {
  const imports = `const INDEX = ${JSON.stringify(distIndex())};import { AuditLog, checkSealRecord, lintOffload, ModelLoader, TileList, vramDevices, VramError } from ${JSON.stringify(distIndex())};`;
  const args = [...flags, "--input-type=module", "-e", `${imports}${TOOLS}${text}\nclearInterval(alive);`];
  const home = await folder();
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env: { ...env, PROGRAM_HOME: home }, timeout: 60_000, killSignal: "SIGKILL" });
  return { said: stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as unknown), stderr };
}

/** The same on the double. */
export async function onTheDouble(text: string, missing: readonly string[] = [], ...flags: string[]): Promise<readonly unknown[]> {
  return (await program(text, await installedDouble(missing), ...flags)).said;
}
