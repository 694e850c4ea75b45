/** The example program that uses the Vulkan backend, built once, run with an environment of the test's. */
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
export async function vulkanExample(): Promise<string> {
  const args = ["build", "--locked", "--workspace", "--example", "vulkan", "--quiet", "--message-format", "json-render-diagnostics"];
  const { stdout } = await run("cargo", args, { cwd: ROOT, maxBuffer: OUTPUT_BYTES_MAX });
  const messages = stdout.trim().split("\n").map((line) => JSON.parse(line) as { executable?: string; target?: { name: string } });
  const built = messages.find(({ executable, target }) => typeof executable === "string" && target?.name === "vulkan");
  if (built?.executable === undefined) throw new Error("cargo built no example");
  return built.executable;
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
