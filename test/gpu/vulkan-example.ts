/** What the tests of the Vulkan backend build, and how they run it in an environment of their own. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Building it where nothing is built yet, on a busy machine. */
export const BUILD_MS_MAX = 600_000;
const RUN_MS_MAX = 120_000;
const OUTPUT_BYTES_MAX = 1 << 26;

export interface Ran {
  readonly status: number;
  readonly output: string;
  /** The last value of each name that it printed. */
  readonly values: Readonly<Record<string, string>>;
}

/** Where the built program lies. */
export function vulkanExample(): Promise<string> {
  return built("vulkan", ["--workspace", "--example", "vulkan"]);
}

/** Where the loader lies that fails on demand. */
export function faultyLoader(): Promise<string> {
  return built("vulkan_faults", ["--package", "vulkan-faults"]);
}

async function built(name: string, what: readonly string[]): Promise<string> {
  const args = ["build", "--locked", ...what, "--quiet", "--message-format", "json-render-diagnostics"];
  const { stdout } = await run("cargo", args, { cwd: ROOT, maxBuffer: OUTPUT_BYTES_MAX });
  const messages = stdout.trim().split("\n").map((line) => JSON.parse(line) as { filenames?: string[]; target?: { name: string } });
  const file = messages.find(({ filenames, target }) => filenames !== undefined && target?.name === name)?.filenames?.[0];
  if (file === undefined) throw new Error(`cargo built no ${name}`);
  return file;
}

export async function runExample(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> {
  try {
    const { stdout, stderr } = await run(program, args, { env: { ...process.env, ...env }, maxBuffer: OUTPUT_BYTES_MAX, timeout: RUN_MS_MAX });
    return ran(0, stdout + stderr);
  } catch (failure) {
    const { code, stdout, stderr } = failure as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw failure;
    return ran(code, `${stdout ?? ""}${stderr ?? ""}`);
  }
}

function ran(status: number, output: string): Ran {
  const pairs = output.split("\n").map((line) => line.split(/ (.*)/s));
  return { status, output, values: Object.fromEntries(pairs.map(([name = "", value = ""]) => [name, value])) };
}
