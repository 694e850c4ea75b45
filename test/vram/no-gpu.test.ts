/** Without any GPU everything but the GPU works, and says plainly that there is none. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DOUBLE_MS_MAX, installedDouble, NO_VULKAN, program } from "../support/driver-double.ts";
import { folder } from "../support/gate.ts";

/** Libraries that are none, under the drivers' names: what is installed here must not decide the test. */
async function noDrivers(): Promise<NodeJS.ProcessEnv> {
  const home = join(await folder(), "lib");
  mkdirSync(home);
  for (const name of ["libcuda.so.1", "libvulkan.so.1", "libnvidia-ml.so.1"]) writeFileSync(join(home, name), "no library");
  return { ...process.env, ...NO_VULKAN, LD_LIBRARY_PATH: home };
}

test("every call is a typed error, in the process and in its workers, and the gate works as ever", async () => {
  const { said } = await program(`
    import { Worker } from "node:worker_threads";
    const { devices, absent } = await vramDevices();
    tell([devices, absent.map(({ code }) => code), absent.every((error) => error instanceof VramError)]);
    const model = await loader.load("m.gguf");
    const calls = [
      loader.seal("m.gguf"),
      loader.seal("m.gguf", { device: "GPU-00000000-0000-0000-0000-000000000000" }),
      loader.seal("m.gguf", { policy: { allowUnified: true } }),
      model.verifyRanges([{ pointer: 4096n, bytes: 16, tensor: "token_embd.weight" }]),
    ];
    tell((await Promise.all(calls.map(caught))).map(({ code, severity, retriable }) => [code, severity, retriable]));
    tell((await model.measureOffload({ gpuLayers: 3 }, async () => "engine")).report.verdict);
    tell(lintOffload({ devices, env: {} }).map(({ rule }) => rule));
    tell(records().filter(({ type }) => type === "VramAllocationFailed").map(({ sev, reason }) => [sev, reason]));
    tell(await metric("seals_total", { code: "VRAM_NO_DRIVER" }));
    const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(\`
      import { parentPort, workerData } from "node:worker_threads";
      const { ModelLoader } = await import(workerData.index);
      const loader = await ModelLoader.open({ root: workerData.root, audit: "disabled" });
      parentPort.postMessage(await loader.seal("m.gguf").catch(({ code }) => code));
    \`)), { workerData: { index: INDEX, root: join(home, "models") } });
    tell(await new Promise((resolve, reject) => { worker.once("message", resolve); worker.once("error", reject); }));
    tell((await model.read(0, 4)).toString());
  `, await noDrivers());
  const none = ["VRAM_NO_DRIVER", "INFO", false];
  expect(said).toEqual([
    [[], ["VRAM_NO_DRIVER", "VRAM_NO_DRIVER"], true],
    [none, none, none, none],
    "inconclusive",
    ["no-vram"],
    Array.from({ length: 4 }, () => ["INFO", "VRAM_NO_DRIVER"]),
    3,
    "VRAM_NO_DRIVER",
    "GGUF",
  ]);
});

/** What a path can be that is no model's, made beneath `models` and beside it. */
const PATHS = `
  import { execFileSync } from "node:child_process";
  import { symlinkSync } from "node:fs";
  mkdirSync(join(home, "models/folder"));
  execFileSync("mkfifo", [join(home, "models/pipe")]);
  writeFileSync(join(home, "secret.gguf"), "outside");
  symlinkSync("../secret.gguf", join(home, "models/link.gguf"));
  symlinkSync("loop.gguf", join(home, "models/loop.gguf"));
  // A set whose second part leads out, one that lacks it, and one of too many parts.
  for (const name of ["out", "lacks"]) tinyModel({ blocks: 1 }).save(join(home, "models", name + "-00001-of-00002.gguf"));
  symlinkSync("../secret.gguf", join(home, "models/out-00002-of-00002.gguf"));
  tinyModel({ blocks: 1 }).save(join(home, "models/many-00001-of-09999.gguf"));
  const paths = ["out-00001-of-00002.gguf", "lacks-00001-of-00002.gguf", "many-00001-of-09999.gguf", "../secret.gguf", "/etc/passwd", "m.gguf\\0", "link.gguf", "missing/../../secret.gguf", "folder", "pipe", "none.gguf", "", "loop.gguf"];
  const worth = async (call) => {
    const before = records().length;
    const { name, code, severity } = await caught(call);
    const [record, ...more] = records().slice(before);
    const { type, sev, outcome, action, reason, target, details } = record;
    return { name, code, severity, part: details.part ?? null, message: details.message, type, sev, outcome, reason, action, dev: target.dev !== undefined, more: more.length };
  };
`;

describe("what a path is worth is judged, and on disk, before any device counts", () => {
  test.each([
    ["without a GPU", noDrivers],
    ["with a GPU that the call does not name", installedDouble],
    ["with a GPU", installedDouble],
  ])("%s", { timeout: DOUBLE_MS_MAX }, async (which, env) => {
    const options = which.endsWith("name") ? { device: "GPU-00000000-0000-0000-0000-000000000000" } : {};
    const { said } = await program(`${PATHS}
      for (const path of paths) tell([await worth(loader.load(path)), await worth(loader.seal(path, ${JSON.stringify(options)}))]);
    `, await env());
    const pairs = said as [Record<string, unknown>, Record<string, unknown>][];
    expect(pairs.map(([, { code }]) => code)).toEqual([
      "PATH_TRAVERSAL", "NOT_FOUND", "GGUF_LIMIT_EXCEEDED", "PATH_TRAVERSAL", "PATH_TRAVERSAL", "PATH_TRAVERSAL", "PATH_TRAVERSAL", "PATH_TRAVERSAL", "NOT_REGULAR_FILE", "NOT_REGULAR_FILE", "NOT_FOUND", "NOT_FOUND", "IO",
    ]);
    expect(pairs[0]?.[1]).toMatchObject({ name: "ModelLoadError", severity: "CRITICAL", type: "PathTraversalAttempt", sev: "CRITICAL", outcome: "denied" });
    for (const [load, seal] of pairs) expect(seal).toEqual({ ...load, action: "model.seal" });
  });
});

test("a call after the loader's disposal, and a wrong option, are the usual errors", async () => {
  const { said } = await program(`
    for (const options of [{ devise: "x" }, { policy: { requireECC: true } }, { device: 0 }]) tell((await caught(loader.seal("m.gguf", options))) instanceof TypeError);
    await loader[Symbol.asyncDispose]();
    tell((await caught(loader.seal("m.gguf"))).code);
  `, await noDrivers());
  expect(said).toEqual([true, true, true, "LOADER_DISPOSED"]);
});
