/** The check for machines with a GPU, tried on the double: it must be right when there is one. */
import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { builtDouble, builtProbe, DOUBLE_MS_MAX, installedDouble, NO_VULKAN } from "../support/driver-double.ts";
import { folder } from "../support/gate.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What takes seconds takes minutes beside others. */
const RUN_MS_MAX = 300_000;

interface Figures {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly checks: readonly { readonly name: string; readonly outcome: string; readonly text: string }[];
  readonly goals: readonly { readonly name: string; readonly met: boolean }[];
  readonly measured: readonly { readonly name: string; readonly value: number; readonly predicted?: readonly [number, number] }[];
  readonly writes: readonly { readonly way: string; readonly outcome: string; readonly asked: { readonly status: number }; readonly waited: { readonly status: number } }[];
  readonly places: readonly { readonly kind: string; readonly attributes: readonly { readonly name: string; readonly value?: number }[] }[];
}

let probe = "";

beforeAll(async () => {
  await builtDouble();
  probe = await builtProbe();
}, DOUBLE_MS_MAX);

interface Ran {
  readonly stdout: string;
  readonly code: number;
}

function ran(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env, timeout: RUN_MS_MAX, killSignal: "SIGKILL" }, (failure, stdout) => {
      resolve({ stdout, code: failure === null ? 0 : Number(failure.code ?? 1) });
    });
  });
}

/** Where there is no cargo, and nothing that cargo built. */
function bare(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, CARGO_TARGET_DIR: "/nonexistent" };
}

async function check(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ran & { readonly figures: Figures }> {
  const out = join(await folder(), "figures.json");
  const end = await ran(process.execPath, ["scripts/gpu-check.mjs", "--built", "--out", out, ...args], ROOT, { ...bare(env), PATH: dirname(process.execPath) });
  return { ...end, figures: JSON.parse(readFileSync(out, "utf8")) as Figures };
}

function fails(env: NodeJS.ProcessEnv, fault: string): void {
  writeFileSync(env["DRIVER_DOUBLE"] ?? "", fault);
}

/** A Node binary, as far as anybody can tell. */
async function wrappedNode(): Promise<string> {
  const path = join(await folder(), "node");
  writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

test("passes on a device that works, from a folder that was carried away, and tells figures beside predictions and goals", { timeout: 2 * RUN_MS_MAX }, async () => {
  const double = await installedDouble();
  const home = double["LD_LIBRARY_PATH"] ?? "";
  symlinkSync("libcuda.so.1", join(home, "libcudart.so.12"));
  const [made, there] = [join(await folder(), "carry"), join(await folder(), "elsewhere")];
  const packed = await ran(process.execPath, ["scripts/gpu-check.mjs", "--built", "--probe", probe, "--carry", made, "--node", await wrappedNode()], ROOT, bare(process.env));
  expect(packed.stdout).toMatch(/ MiB; there: sh carry\/run\.sh/u);
  cpSync(made, there, { recursive: true });
  const out = join(home, "figures.json");
  const { LD_LIBRARY_PATH, DRIVER_DOUBLE } = double;
  const { stdout, code } = await ran("/bin/sh", [join(there, "run.sh"), "--out", out], "/", { PATH: "/usr/bin:/bin", LD_LIBRARY_PATH, DRIVER_DOUBLE, ...NO_VULKAN });
  expect(stdout.match(/^FAILED.*$/gmu)).toBeNull();
  expect(stdout).toMatch(/\n33 passed, 0 failed\n$/u);
  expect(code).toBe(0);
  const figures = JSON.parse(readFileSync(out, "utf8")) as Figures;
  expect(figures).toMatchObject({ device: { name: "Driver Double" }, foreign: { by: "cudaMalloc of libcudart.so.12 (12040)", tensors: 8 }, passed: 33 });
  expect(figures.writes.map(({ way, outcome, asked, waited }) => [way, outcome, asked.status, waited.status])).toEqual([
    ["store", "faults", 0, 700],
    ...["copyIn", "copyInPinned", "copyOnDevice", "set", "setAsync"].map((way) => [way, "faults", 700, 700]),
  ]);
  expect(figures.measured.find(({ name }) => name.includes("tiles_by_multiplying"))?.value).toBeGreaterThan(0);
  expect(figures.measured.find(({ name }) => name.startsWith("a load from the device's own"))).toMatchObject({ value: 706, predicted: [600, 800] });
  const managed = figures.places.filter(({ kind }) => kind === "managed");
  expect(managed.map(({ attributes }) => attributes.find(({ name }) => name === "isManaged")?.value)).toEqual([1, 1, 1]);
  // No processor hashes so fast: the goal is missed, told, and no failure.
  expect(figures.goals.find(({ name }) => name.startsWith("hash at"))?.met).toBe(false);
  expect(stdout).toMatch(/^MISSED +hash at 1\.20 TB\/s/mu);
  expect(stdout).toMatch(/^goals: \d met, \d missed; .*hash at 1\.20 TB\/s/mu);
});

test("a step that crashes costs itself", { timeout: RUN_MS_MAX }, async () => {
  const env = await installedDouble();
  fails(env, "crash=store");
  const { stdout, code, figures } = await check(env, "--probe", probe);
  expect(stdout).toMatch(/^FAILED +write: store +ended with SIGABRT/mu);
  expect(figures).toMatchObject({ passed: 32, failed: 1, skipped: 0, foreign: { by: expect.stringMatching(/^cuMemAlloc, which is what cudaMalloc calls/u) as unknown } });
  expect(code).toBe(1);
});

test("what hangs is ended when the time is up, and what is left is told", { timeout: RUN_MS_MAX }, async () => {
  const env = await installedDouble();
  fails(env, "hang=tiles");
  const { stdout, code, figures } = await check(env, "--probe", probe, "--minutes", "0.25");
  expect(stdout).toMatch(/^skipped hashing +the time was up in the middle of it$/mu);
  expect(stdout).toMatch(/^skipped large +\d s are left/mu);
  expect(figures.checks.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 15 }, () => "skipped"));
  expect(code).toBe(0);
});

test("fails where pages answer like the host's; without the probe, what needs it is skipped", { timeout: RUN_MS_MAX }, async () => {
  const env = await installedDouble();
  fails(env, "slow_pages=all");
  const { stdout, code, figures } = await check(env);
  for (const step of ["sealed", "large"]) expect(stdout).toMatch(new RegExp(`^FAILED +${step} +VRAM_NOT_RESIDENT`, "mu"));
  expect(stdout).toMatch(/^skipped write: store +the probe is not built, and there is no cargo$/mu);
  expect(figures).toMatchObject({ passed: 3, failed: 2, skipped: 10 });
  expect(code).toBe(1);
});

test("counts a skip where there is no GPU", async () => {
  const home = join(await folder(), "lib");
  mkdirSync(home);
  for (const name of ["libcuda.so.1", "libvulkan.so.1"]) writeFileSync(join(home, name), "no library");
  const { stdout, code } = await check({ ...process.env, ...NO_VULKAN, LD_LIBRARY_PATH: home });
  expect(stdout).toMatch(/^skipped no NVIDIA GPU here +.*\n0 passed, 0 failed, 1 skipped\n$/u);
  expect(code).toBe(0);
});
