/** Several processes, and several threads of one, that use the same device at once, some of which are killed in the middle of it. */
import { beforeAll, describe, expect, test } from "vitest";
import { lavapipe } from "../gpu/lavapipe.ts";
import { INSTALL_MS_MAX } from "../support/debian.ts";
import { builtDouble, DOUBLE_MS_MAX, onTheDouble, program } from "../support/driver-double.ts";

beforeAll(async () => { await builtDouble(); }, DOUBLE_MS_MAX);

/**
 * `other()` is another process with a loader of its own that does what it is told, a line at a time. `churn` seals, looks and frees
 * without end; its answers come as one more line each.
 */
const OTHERS = `
  import { spawn } from "node:child_process";
  import { once } from "node:events";
  import { createInterface } from "node:readline";
  const policy = { slowFactor: 1000, allowUnified: process.env.UNIFIED !== undefined };
  const PROGRAM = \`
    import { createInterface } from "node:readline";
    const { ModelLoader, vramDevices } = await import(\${JSON.stringify(INDEX)});
    const loader = await ModelLoader.open({ root: \${JSON.stringify(join(home, "models"))}, audit: "disabled" });
    const policy = \${JSON.stringify(policy)};
    const shards = [];
    const round = async () => {
      const shard = await loader.seal("m.gguf", { policy });
      const { verdict } = await shard.verify();
      await shard[Symbol.asyncDispose]();
      return verdict;
    };
    const does = {
      seal: async () => { shards.push(await loader.seal("m.gguf", { policy })); return shards.at(-1).evidence.verdict; },
      verify: async () => (await shards[0].verify()).verdict,
      churn: async () => { for (;;) console.log(await round().catch(({ code }) => code ?? "bug")); },
    };
    const lines = createInterface({ input: process.stdin });
    // Nobody is left to tell it what to do, or to end it.
    lines.once("close", () => { process.exit(1); });
    for await (const line of lines) console.log(await does[line]().catch((error) => error.code ?? String(error)));
  \`;
  const children = [];
  const other = () => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
    children.push(child);
    const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      next: async () => (await said.next()).value,
      tell: (what) => { child.stdin.write(what + "\\n"); },
      async ask(what) { this.tell(what); return this.next(); },
      async kill() { child.kill("SIGKILL"); await once(child, "exit"); },
    };
  };
  const orphaned = () => { for (const child of children) child.kill("SIGKILL"); };
  process.once("exit", orphaned);
  const used = async () => { const [{ totalBytes, freeBytes }] = (await vramDevices()).devices; return totalBytes - freeBytes; };
  const code = async (call) => { const end = await caught(call); return end.code ?? end.value.evidence.verdict; };
`;

/** A device whose memory is shared by all processes on it. `room(bytes)` leaves so much of it. */
const SHARED = `${OTHERS}
  mkdirSync(join(home, "ledger"));
  const ledger = "ledger=" + join(home, "ledger");
  fails(ledger);
  const room = async (bytes) => { fails(ledger); fails([ledger, "total=" + (await used() + bytes)].join("\\n")); };
`;

describe("two processes on one device", () => {
  test("each get their own answer; what a killed one held is there for the other", { timeout: 60_000 }, async () => {
    const said = await onTheDouble(`${SHARED}
      const first = other();
      tell(await first.ask("seal"));
      // Opening a device takes memory for its test: that is not what is short here.
      await (await loader.seal("m.gguf"))[Symbol.asyncDispose]();
      await room(2 ** 18);
      const refused = await caught(loader.seal("m.gguf"));
      tell([refused.code, refused.retriable, refused.availableBytes]);
      // Enough for the file and not for the page that it needs: the driver has the last word.
      await room(2 ** 20);
      tell(await code(loader.seal("m.gguf")));
      tell(await first.ask("verify"));
      await first.kill();
      const shard = await loader.seal("m.gguf");
      tell([shard.evidence.verdict, (await shard.verify()).verdict, (await shard.verify()).content.root === shard.blake3]);
      await shard[Symbol.asyncDispose]();
      tell(records().filter(({ type }) => type === "VramAllocationFailed").map(({ reason }) => reason));
      tell(records().filter(({ sev }) => sev === "CRITICAL").length);
    `);
    expect(said).toEqual([
      "resident", ["VRAM_INSUFFICIENT_MEMORY", true, 2 ** 18], "VRAM_ALLOCATION_FAILED", "resident",
      ["resident", "resident", true], ["VRAM_INSUFFICIENT_MEMORY", "VRAM_ALLOCATION_FAILED"], 0,
    ]);
  });

  test("that both want its last place: one has it, the other is told so, and a kill in the middle of a seal harms nobody", { timeout: 60_000 }, async () => {
    const [seen, mine, theirs, kept, left, critical] = await onTheDouble(`${SHARED}
      const shard = await loader.seal("m.gguf");
      const rival = other();
      await rival.ask("verify");
      // Opened devices keep a few results' room: this leaves a place for one model more.
      await room(3 * 2 ** 20);
      rival.tell("churn");
      const [mine, theirs] = [[], []];
      const seen = () => mine.includes("resident") && theirs.includes("resident") && [...mine, ...theirs].some((one) => one !== "resident");
      for (let turn = 0; turn < 200 && (turn < 8 || !seen()); turn += 1) {
        const ends = await Promise.all([0, 1].map(() => caught(loader.seal("m.gguf"))));
        for (const { code, value } of ends) {
          mine.push(code ?? value.evidence.verdict);
          await value?.[Symbol.asyncDispose]();
        }
        theirs.push(await rival.next());
      }
      tell(seen());
      tell([...new Set(mine)]);
      tell([...new Set(theirs)]);
      await rival.kill();
      tell([(await shard.verify()).verdict, await code(loader.seal("m.gguf"))]);
      await loader[Symbol.asyncDispose]();
      // What a killed process held is nobody's; an opened device of this one keeps its results' room.
      tell(await used() < 2 ** 20);
      tell(records().filter(({ sev }) => sev === "CRITICAL").length);
    `) as [boolean, string[], string[], unknown, unknown, unknown];
    const answers = ["resident", "VRAM_INSUFFICIENT_MEMORY", "VRAM_ALLOCATION_FAILED"];
    expect(answers).toEqual(expect.arrayContaining([...mine, ...theirs]));
    expect([seen, kept, left, critical]).toEqual([true, ["resident", "resident"], true, 0]);
  });

  test("on a real Vulkan driver are as independent", { timeout: INSTALL_MS_MAX }, async (ctx) => {
    const found = await lavapipe();
    if (typeof found === "string") return ctx.skip(found);
    const { said } = await program(`${OTHERS}
      const first = other();
      const [theirs, shard] = await Promise.all([first.ask("seal"), loader.seal("m.gguf", { policy })]);
      tell([theirs, shard.evidence.verdict]);
      first.tell("churn");
      tell(await first.next());
      await first.kill();
      tell([(await shard.verify()).verdict, (await shard.verify()).content.root === shard.blake3, await code(loader.seal("m.gguf", { policy }))]);
    `, { ...process.env, ...found.env, UNIFIED: "1" });
    expect(said).toEqual([["unified", "unified"], "unified", ["unified", true, "unified"]]);
  });
});

test("threads that seal on one device at once each get their own answer, also when one is ended in the middle of a seal", { timeout: 60_000 }, async () => {
  const said = await onTheDouble(`
    import { Worker } from "node:worker_threads";
    const text = \`
      import { parentPort, workerData } from "node:worker_threads";
      const { ModelLoader } = await import(workerData.index);
      const loader = await ModelLoader.open({ root: workerData.root, audit: "disabled" });
      const policy = { slowFactor: 1000 };
      do {
        const shard = await loader.seal("m.gguf", { policy });
        parentPort.postMessage([shard.evidence.verdict, (await shard.verify()).verdict]);
        if (workerData.churn) await shard[Symbol.asyncDispose]();
      } while (workerData.churn);
      setInterval(() => undefined, 1000);
    \`;
    const start = (churn) => new Worker(new URL("data:text/javascript," + encodeURIComponent(text)), { workerData: { index: INDEX, root: join(home, "models"), churn } });
    const first = (worker) => new Promise((resolve, reject) => { worker.once("message", resolve); worker.once("error", reject); });
    const workers = [start(false), start(false), start(true)];
    const [mine, ...theirs] = await Promise.all([loader.seal("m.gguf"), ...workers.map(first)]);
    tell([mine.evidence.verdict, ...theirs]);
    await workers[2].terminate();
    await workers[0].terminate();
    tell([(await mine.verify()).verdict, (await mine.verify()).content.root === mine.blake3]);
    await workers[1].terminate();
    await mine[Symbol.asyncDispose]();
    let device;
    for (let turn = 0; turn < 500; turn += 1) {
      [device] = (await vramDevices()).devices;
      if (device.totalBytes - device.freeBytes < 2 ** 20) break;
      await sleep(20);
    }
    tell(device.totalBytes - device.freeBytes < 2 ** 20);
  `);
  expect(said).toEqual([["resident", ...Array.from({ length: 3 }, () => ["resident", "resident"])], ["resident", true], true]);
});
