/** Without any GPU everything but the GPU works, and says plainly that there is none. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NO_VULKAN, program } from "../support/driver-double.ts";
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

test("a call after the loader's disposal, and a wrong option, are the usual errors", async () => {
  const { said } = await program(`
    for (const options of [{ devise: "x" }, { policy: { requireECC: true } }, { device: 0 }]) tell((await caught(loader.seal("m.gguf", options))) instanceof TypeError);
    await loader[Symbol.asyncDispose]();
    tell((await caught(loader.seal("m.gguf"))).code);
  `, await noDrivers());
  expect(said).toEqual([true, true, true, "LOADER_DISPOSED"]);
});
