/** The check for machines with a GPU, tried on the double: it must be right when there is one. */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { builtDouble, DOUBLE_MS_MAX, installedDouble, NO_VULKAN } from "../support/driver-double.ts";
import { folder } from "../support/gate.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

beforeAll(async () => { await builtDouble(); }, DOUBLE_MS_MAX);

/** Without cargo: the driver's own tests are Rust's to run. */
async function check(env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ["scripts/gpu-check.mjs", "--built", ...args], { cwd: ROOT, env: { ...env, PATH: dirname(process.execPath) }, timeout: 60_000 })
    .catch((failure: unknown) => failure as { stdout: string });
  return stdout;
}

test("passes on a device that works, and prints figures", { timeout: 60_000 }, async () => {
  const out = join(await folder(), "figures.json");
  const stdout = await check(await installedDouble(), "--out", out);
  expect(stdout).toMatch(/\n13 passed, 0 failed, 1 skipped\n$/u);
  const figures = JSON.parse(stdout.split("\n").find((line) => line.startsWith("{")) ?? "") as Record<string, unknown>;
  expect(figures).toMatchObject({ device: { name: "Driver Double" }, seal: { bytes: 4e6 }, foreign: { tensors: 8 } });
});

test("fails on a device whose pages answer like the host's", { timeout: 60_000 }, async () => {
  const env = await installedDouble();
  writeFileSync(env["DRIVER_DOUBLE"] ?? "", "slow_pages=all");
  expect(await check(env, "--out", join(await folder(), "figures.json"))).toMatch(/FAILED seal +VRAM_NOT_RESIDENT[^]*, 1 failed, 1 skipped\n$/u);
});

test("counts a skip where there is no GPU", async () => {
  const home = join(await folder(), "lib");
  mkdirSync(home);
  for (const name of ["libcuda.so.1", "libvulkan.so.1"]) writeFileSync(join(home, name), "no library");
  const stdout = await check({ ...process.env, ...NO_VULKAN, LD_LIBRARY_PATH: home });
  expect(stdout).toMatch(/^no NVIDIA GPU here: .*\n0 passed, 0 failed, 1 skipped\n$/u);
});
