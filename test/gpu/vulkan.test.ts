/** The Vulkan backend on lavapipe: every length, every misuse, and everything that can lack. */
import { copyFile, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { TestContext } from "vitest";
import { tinyModel } from "../fixtures/models.mjs";
import { INSTALL_MS_MAX } from "../support/debian.ts";
import { lavapipe, onlyDriver } from "./lavapipe.ts";
import type { Lavapipe } from "./lavapipe.ts";
import { BUILD_MS_MAX, faultyLoader, runExample, vulkanExample } from "./vulkan-example.ts";
import type { Ran } from "./vulkan-example.ts";

const TEST_MS_MAX = 120_000;
/** What Khronos's layer prints. */
const VIOLATION = /VUID-|SYNC-HAZARD|Validation (Error|Warning)/;

let found: Lavapipe | string;
let program: string;

beforeAll(async () => {
  found = await lavapipe();
  if (typeof found !== "string") program = await vulkanExample();
}, INSTALL_MS_MAX + BUILD_MS_MAX);

function driver(ctx: TestContext): Lavapipe {
  return typeof found === "string" ? ctx.skip(found) : found;
}

/** Runs one command of the example on lavapipe. */
function vulkan(ctx: TestContext, ...args: readonly string[]): Promise<Ran> {
  return runExample(program, args, driver(ctx).env);
}

describe("on lavapipe", { timeout: TEST_MS_MAX }, () => {
  test("the device is a processor, and says so", async (ctx) => {
    const { values, status } = await vulkan(ctx, "devices");
    expect(status).toBe(0);
    expect(values).toMatchObject({ kind: "cpu", pci: "none", vram: "the device is a processor: it has no memory of its own" });
    expect(values["device"]).toContain("llvmpipe");
    expect(values["driver"]).toMatch(/^llvmpipe Mesa /);
    expect(values["uuid"]).toMatch(/^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  test("what it gives is called unified, and no claim is made that Vulkan cannot keep", async (ctx) => {
    const { values, status, output } = await vulkan(ctx, "open");
    expect(status, output).toBe(0);
    expect(values).toMatchObject({ kernel: "spir-v-1.3", memory: "unified", "host-visible": "true" });
    expect(values["library"], "the driver's own file").toBe(await realpath(driver(ctx).driver));
    expect(values["blake3"]).toMatch(/^[0-9a-f]{64}$/);
  });

  test("digests of every length are the processor's, plain and keyed, tile by tile and by their root", async (ctx) => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const { status, output, values } = await vulkan(ctx, "lengths", String(seed));
    expect(status, `seed ${seed}:\n${output}`).toBe(0);
    expect(Number(values["lengths"])).toBeGreaterThan(100);
  });

  test("a model longer than what a shader can reach is hashed across its pieces", async (ctx) => {
    const { status, output, values } = await vulkan(ctx, "segments");
    expect(status, output).toBe(0);
    expect(Number(values["freed"])).toBeGreaterThanOrEqual(Number(values["bytes"]));
  });

  test.for([
    ["a flipped bit changes its tile's value alone", "flip", { bad: "[6]" }],
    ["what does not fit is refused, and the device stays usable", "too-large", { refused: "3" }],
    ["threads share a device, each with memory of its own", "threads", { threads: "4" }],
    ["ranges outside of the memory and devices that there are not are refused", "misuse", { misuse: "refused" }],
  ] as const)("%s", async ([, command, expected], ctx) => {
    const { status, output, values } = await vulkan(ctx, command);
    expect(status, output).toBe(0);
    expect(values).toMatchObject(expected);
  });

  test.for(["lengths", "segments", "threads"])("the driver is used by its rules: %s", async (command, ctx) => {
    const { validated } = driver(ctx);
    if (validated === undefined) return ctx.skip("vulkan-validationlayers is not installed");
    const { status, output } = await runExample(program, [command], { ...validated, VK_LOADER_DEBUG: "layer" });
    expect(status, output).toBe(0);
    expect(output, "the layer that checks must be there").toContain('Insert instance layer "VK_LAYER_KHRONOS_validation"');
    expect(output).not.toMatch(VIOLATION);
  });
});

describe("what is given back", { timeout: TEST_MS_MAX }, () => {
  test.for(["segments", "threads"])("was cleared before, on the device and on the way there: %s", { timeout: BUILD_MS_MAX }, async (command, ctx) => {
    const { status, values, output } = await runExample(program, [command], await faulty(ctx, { VULKAN_FAULTS_WATCH: "1" }));
    expect(status, output).toBe(0);
    expect(Number(values["freed-bytes"])).toBeGreaterThan(6_000_000);
    // Digests stay: they are no secret, and a few.
    expect(Number(values["dirty-bytes"])).toBeLessThan(300_000);
  });
});

describe("a model", { timeout: TEST_MS_MAX }, () => {
  test("is not sealed where there is no VRAM", async (ctx) => {
    const { status, values } = await vulkan(ctx, "seal", await modelFolder());
    expect(status).toBe(1);
    expect(values).toMatchObject({ code: "VRAM_POLICY_VIOLATION" });
    expect(values["message"]).toContain("it is not called VRAM");
  });

  test("is sealed and checked at every level where the policy allows such a device, and never called resident", async (ctx) => {
    const model = await modelFolder();
    const { status, output, values } = await vulkan(ctx, "seal-anywhere", model);
    expect(status, output).toBe(0);
    const bytes = (await readFile(join(model, "model.gguf"))).length;
    expect(values).toMatchObject({
      backend: "vulkan", access: "read-write", verdict: "unified",
      quick: "unified 0", full: `unified ${bytes}`, challenge: `unified ${bytes}`, book: "unified",
    });
    expect(values["sample"]).toMatch(/^unified [1-9]/);
  });
});

describe("an answer, never a crash:", { timeout: TEST_MS_MAX }, () => {
  test("no driver for the loader", async (ctx) => {
    const { env } = driver(ctx);
    const { status, values } = await runExample(program, ["devices"], { ...env, ...onlyDriver("/nonexistent.json") });
    expect(status).toBe(1);
    expect(values).toMatchObject({ code: "VRAM_NO_DRIVER", driver: "vkCreateInstance VK_ERROR_INCOMPATIBLE_DRIVER" });
  });

  test("a loader that is none", async (ctx) => {
    const { env } = driver(ctx);
    const place = await folder();
    await writeFile(join(place, "libvulkan.so.1"), "no library".repeat(100));
    const { status, values } = await runExample(program, ["devices"], { ...env, LD_LIBRARY_PATH: place });
    expect(status).toBe(1);
    expect(values).toMatchObject({ code: "VRAM_NO_DRIVER" });
    expect(values["message"]).toMatch(/Vulkan's loader is not installed: .*invalid ELF header/);
  });

  test("a loader that is another library", async (ctx) => {
    const place = await folder();
    await copyFile(driver(ctx).driver, join(place, "libvulkan.so.1"));
    const { status, values } = await runExample(program, ["devices"], { ...driver(ctx).env, LD_LIBRARY_PATH: place });
    expect(status).toBe(1);
    expect(values).toMatchObject({ code: "VRAM_DRIVER_TOO_OLD" });
    expect(values["message"]).toContain("lacks vkGetInstanceProcAddr");
  });

  test.for([
    "vkEnumerateInstanceVersion", "vkCreateDevice", "vkGetPhysicalDeviceFeatures2", "vkCmdDispatch", "vkResetCommandPool",
  ])("a driver without %s", { timeout: BUILD_MS_MAX }, async (name, ctx) => {
    const { status, values, output } = await runExample(program, ["open"], await faulty(ctx, { VULKAN_FAULTS_LACKS: name }));
    expect(status, output).toBe(1);
    expect(values, output).toMatchObject({ code: "VRAM_DRIVER_TOO_OLD" });
    expect(values["message"]).toContain(`lacks ${name}`);
  });

  test.for([
    ["vkEnumeratePhysicalDevices=-3@1", "VRAM_DRIVER_FAILED", "VK_ERROR_INITIALIZATION_FAILED"],
    ["vkCreateDevice=-4@1", "VRAM_DEVICE_LOST", "VK_ERROR_DEVICE_LOST"],
    ["vkCreateShaderModule=-1@2", "VRAM_ALLOCATION_FAILED", "VK_ERROR_OUT_OF_HOST_MEMORY"],
    ["vkCreateComputePipelines=-13@2", "VRAM_DRIVER_FAILED", "VK_ERROR_UNKNOWN"],
    ["vkCreateBuffer=-2@3", "VRAM_ALLOCATION_FAILED", "VK_ERROR_OUT_OF_DEVICE_MEMORY"],
    ["vkAllocateMemory=-2@1", "VRAM_ALLOCATION_FAILED", "VK_ERROR_OUT_OF_DEVICE_MEMORY"],
    ["vkAllocateMemory=-10@4", "VRAM_ALLOCATION_FAILED", "VK_ERROR_TOO_MANY_OBJECTS"],
    ["vkBindBufferMemory=-2@2", "VRAM_ALLOCATION_FAILED", "VK_ERROR_OUT_OF_DEVICE_MEMORY"],
    ["vkMapMemory=-5@2", "VRAM_ALLOCATION_FAILED", "VK_ERROR_MEMORY_MAP_FAILED"],
    ["vkAllocateDescriptorSets=-1000069000@2", "VRAM_ALLOCATION_FAILED", "VK_ERROR_OUT_OF_POOL_MEMORY"],
    ["vkCreateFence=-1@3", "VRAM_ALLOCATION_FAILED", "VK_ERROR_OUT_OF_HOST_MEMORY"],
    ["vkQueueSubmit=-4@1", "VRAM_DEVICE_LOST", "VK_ERROR_DEVICE_LOST"],
    ["vkQueueSubmit=-4@20", "VRAM_DEVICE_LOST", "VK_ERROR_DEVICE_LOST"],
    ["vkWaitForFences=-1@3", "VRAM_ALLOCATION_FAILED", "VK_ERROR_OUT_OF_HOST_MEMORY"],
  ] as const)("a call that fails: %s", { timeout: BUILD_MS_MAX }, async ([fails, code, result], ctx) => {
    const { status, values, output } = await runExample(program, ["flip"], await faulty(ctx, { VULKAN_FAULTS_FAILS: fails }));
    expect(status, output).toBe(1);
    expect(values).toMatchObject({ code, driver: `${fails.split("=")[0] ?? ""} ${result}` });
    expect(output, "nothing is left behind, and nothing is given back in use").not.toMatch(VIOLATION);
  });

  test("a shader that computes something else", async (ctx) => {
    const { env } = driver(ctx);
    const broken = join(await folder(), "vulkan");
    await copyFile(program, broken);
    await changeShader(broken);
    const { status, values, output } = await runExample(broken, ["open"], env);
    expect(status, output).toBe(1);
    expect(values).toMatchObject({ code: "VRAM_SELF_TEST_FAILED" });
  });
});

/** Gone after the test. Needs no addon, unlike the one of support/gate.ts. */
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "vulkan-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** The real driver behind a loader that fails on demand; with the layer that sees what was not given back. */
async function faulty(ctx: TestContext, faults: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
  const { env, validated, loader } = driver(ctx);
  const place = await folder();
  await copyFile(await faultyLoader(), join(place, "libvulkan.so.1"));
  const path = [place, env["LD_LIBRARY_PATH"]].filter((one) => one !== undefined).join(":");
  return { ...(validated ?? env), ...faults, LD_LIBRARY_PATH: path, VULKAN_FAULTS_LOADER: loader };
}

async function modelFolder(): Promise<string> {
  const place = await folder();
  await writeFile(join(place, "model.gguf"), tinyModel({ blocks: 20 }).bytes());
  return place;
}

/** One bit of BLAKE3's constants, in every SPIR-V module that the program holds. */
async function changeShader(path: string): Promise<void> {
  const bytes = await readFile(path);
  const constant = Buffer.from([0x67, 0xe6, 0x09, 0x6a]);
  const magic = Buffer.from([0x03, 0x02, 0x23, 0x07, 0x00, 0x03, 0x01, 0x00]);
  let changed = 0;
  for (let module = bytes.indexOf(magic); module !== -1; module = bytes.indexOf(magic, module + 1)) {
    const at = bytes.indexOf(constant, module);
    if (at === -1) continue;
    bytes[at] = 0x66;
    changed += 1;
  }
  expect(changed, "the program holds its shaders").toBeGreaterThan(0);
  await writeFile(path, bytes);
}
