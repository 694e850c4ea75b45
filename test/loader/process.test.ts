/** The addon among threads, exits and impostors. */
import { execFile } from "node:child_process";
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { native, NATIVE_EXPORTS } from "../../lib/native.ts";
import { bigVocabulary, tinyModel, writeSparseModel } from "../fixtures/models.mjs";
import { distIndex } from "../support/dist.ts";
import { folder, recordsOf } from "../support/gate.ts";

const run = promisify(execFile);
const project = fileURLToPath(new URL("../..", import.meta.url));

async function program(text: string, ...flags: string[]): Promise<string> {
  const code = `import { AuditLog, ModelLoader } from ${JSON.stringify(distIndex())};\n${text}`;
  const { stdout } = await run(process.execPath, [...flags, "--input-type=module", "-e", code]);
  return stdout;
}

describe("the native library", () => {
  test("exports exactly what its TypeScript face declares", () => {
    const functions = Object.entries(native).filter(([name, value]) => typeof value === "function" && !name.startsWith("Native"));
    expect(functions.map(([name]) => name).sort()).toEqual([...NATIVE_EXPORTS].sort());
  });

  test("says what it runs with", () => {
    expect(native.about()).toMatchObject({ supported: true });
    expect(native.about().sha256).not.toBe("");
  });

  test("of another version is refused, and the environment cannot name one", async () => {
    const home = await folder();
    cpSync(join(project, "dist"), join(home, "dist"), { recursive: true });
    const manifest = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as Record<string, unknown>;
    writeFileSync(join(home, "package.json"), JSON.stringify({ ...manifest, version: "9.9.9" }));
    symlinkSync(join(project, "node_modules"), join(home, "node_modules"));
    const end = run(process.execPath, ["--input-type=module", "-e", `await import(${JSON.stringify(join(home, "dist/index.js"))})`], {
      env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: "/tmp/evil.node", NAPI_RS_FORCE_WASI: "1" },
    });
    await expect(end).rejects.toMatchObject({ stderr: expect.stringMatching(/0\.1\.0.*9\.9\.9/su) as string });
  });
});

describe("a process", () => {
  test("that ends in the middle of a load ends", async () => {
    const home = await folder();
    writeSparseModel(join(home, "big.gguf"), 4 * 2 ** 30);
    await program(`
      const loader = await ModelLoader.open({ root: ${JSON.stringify(home)}, audit: "disabled" });
      loader.load("big.gguf"); setTimeout(() => process.exit(0), 50);`);
  });

  test("stays alive until its load is settled", async () => {
    const home = await folder();
    tinyModel().save(join(home, "m.gguf"));
    expect(await program(`
      const loader = await ModelLoader.open({ root: ${JSON.stringify(home)}, audit: "disabled" });
      loader.load("m.gguf").then((model) => console.log(model.sizeBytes));`)).toMatch(/^\d+\n$/u);
  });

  test("terminates a worker in the middle of loads, many times, and lives", { timeout: 60_000 }, async () => {
    const home = await folder();
    writeSparseModel(join(home, "big.gguf"), 4 * 2 ** 30);
    const worker = `
      import { parentPort, workerData } from "node:worker_threads";
      import(workerData.index).then(async ({ ModelLoader }) => {
        const loader = await ModelLoader.open({ root: workerData.root, audit: "disabled" });
        for (let n = 0; n < 3; n++) loader.load("big.gguf").catch(() => {});
        parentPort.postMessage("loading");
      });`;
    const out = await program(`
      import { Worker } from "node:worker_threads"; import { once } from "node:events";
      for (let round = 0; round < 15; round++) {
        const worker = new Worker(${JSON.stringify(worker)}, { eval: true, workerData: { index: ${JSON.stringify(distIndex())}, root: ${JSON.stringify(home)} } });
        await once(worker, "message"); await new Promise((go) => setTimeout(go, round * 3)); await worker.terminate();
      }
      console.log("alive");`);
    expect(out).toBe("alive\n");
  });

  test("loads fifteen thousand times and keeps no descriptor and no memory", { timeout: 120_000 }, async () => {
    const home = await folder();
    tinyModel().save(join(home, "m.gguf"));
    const out = await program(`
      import { readdirSync } from "node:fs";
      const loader = await ModelLoader.open({ root: ${JSON.stringify(home)}, audit: "disabled" });
      async function round(count) {
        for (let done = 0; done < count; done += 50) {
          const models = await Promise.all(Array.from({ length: 50 }, () => loader.load("m.gguf")));
          await Promise.all(models.map((model) => model[Symbol.asyncDispose]()));
          await loader.load("absent").catch(() => {});
        }
        gc();
        return { descriptors: readdirSync("/proc/self/fd").length, bytes: process.memoryUsage.rss() };
      }
      // Allocators and engine take a while to reach their working size; a leak grows in every round.
      const seen = [];
      for (let rounds = 0; rounds < 5; rounds++) seen.push(await round(3000));
      const growths = seen.slice(1).map(({ bytes }, index) => bytes - seen[index].bytes);
      console.log(JSON.stringify({ descriptors: seen.at(-1).descriptors - seen[0].descriptors, bytes: Math.min(...growths) }));`, "--expose-gc");
    const growth = JSON.parse(out) as { descriptors: number; bytes: number };
    expect(growth.descriptors).toBe(0);
    // Four kilobytes a load: far less than its header or one of its buffers.
    expect(growth.bytes).toBeLessThan(3000 * 4096);
  });

  test("looks at large headers again and again in little memory, for the garbage collector knows their size", async () => {
    const home = await folder();
    bigVocabulary({ embedding: 32 }).save(join(home, "v.gguf"));
    const out = await program(`
      const loader = await ModelLoader.open({ root: ${JSON.stringify(home)}, audit: "disabled" });
      let peak = 0;
      for (let round = 0; round < 100; round++) {
        await loader.inspect("v.gguf");
        peak = Math.max(peak, process.memoryUsage.rss());
      }
      console.log(peak);`);
    expect(Number(out)).toBeLessThan(512 << 20);
  });

  test("keeps what a terminated worker had recorded", async () => {
    const home = await folder();
    const worker = `
      import { parentPort, workerData } from "node:worker_threads";
      import(workerData.index).then(async ({ AuditLog, ModelLoader }) => {
        const audit = await AuditLog.open(workerData.audit);
        const loader = await ModelLoader.open({ root: workerData.root, audit });
        await loader.load("../x").catch(() => parentPort.postMessage("refused"));
        for (;;);
      });`;
    await program(`
      import { Worker } from "node:worker_threads"; import { once } from "node:events";
      const worker = new Worker(${JSON.stringify(worker)}, { eval: true, workerData: { index: ${JSON.stringify(distIndex())}, root: ${JSON.stringify(home)}, audit: ${JSON.stringify(join(home, "audit"))} } });
      await once(worker, "message"); await worker.terminate();`);
    expect((await recordsOf(join(home, "audit"))).at(-1)).toMatchObject({ type: "PathTraversalAttempt" });
  });
});
