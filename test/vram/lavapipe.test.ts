/** The whole path on a real Vulkan driver that computes on the processor: refused as VRAM, and never called so where it is allowed. */
import { beforeAll, expect, test } from "vitest";
import { lavapipe } from "../gpu/lavapipe.ts";
import type { Lavapipe } from "../gpu/lavapipe.ts";
import { INSTALL_MS_MAX } from "../support/debian.ts";
import { DOUBLE_MS_MAX, installedDouble, program } from "../support/driver-double.ts";

let found: Lavapipe | string;

beforeAll(async () => { found = await lavapipe(); }, INSTALL_MS_MAX);

test("Vulkan and its drivers are loaded by the first question that CUDA has no answer to", { timeout: DOUBLE_MS_MAX }, async (ctx) => {
  if (typeof found === "string") return ctx.skip(found);
  const double = await installedDouble();
  const env = { ...double, ...found.env, LD_LIBRARY_PATH: [double["LD_LIBRARY_PATH"], found.env["LD_LIBRARY_PATH"]].filter(Boolean).join(":") };
  const { said } = await program(`
    const loaded = () => [/\\/libcuda\\.so/u, /\\/libvulkan/u].map((library) => library.test(readFileSync("/proc/self/maps", "utf8")));
    tell(loaded());
    const shard = await loader.seal("m.gguf");
    const model = await loader.load("m.gguf");
    const { name, offset, bytes } = [...model.gguf.tensors][0];
    await model.verifyRanges([{ pointer: shard.pointer + BigInt(offset), bytes, tensor: name }], { device: shard.device.uuid });
    await caught(loader.seal("m.gguf", { backend: "cuda", device: "GPU-00000000-0000-0000-0000-000000000000" }));
    tell(loaded());
    tell((await caught(loader.seal("m.gguf", { device: "GPU-00000000-0000-0000-0000-000000000000" }))).code);
    tell(loaded());
    tell((await vramDevices()).devices.map(({ backend }) => backend));
  `, env);
  expect(said).toEqual([[false, false], [true, false], "VRAM_NO_DEVICE", [true, true], ["cuda", "vulkan"]]);
});

test("a software device is refused by default, and allowed it is unified", async (ctx) => {
  if (typeof found === "string") return ctx.skip(found);
  const { said } = await program(`
    const { devices } = await vramDevices();
    const [device] = devices.filter(({ backend }) => backend === "vulkan");
    tell([device.kind, device.isVram]);
    tell((await caught(loader.seal("m.gguf"))).code);
    const refused = await caught(loader.seal("m.gguf", { device: device.uuid }));
    tell([refused.code, refused.policy]);
    const shard = await loader.seal("m.gguf", { device: device.uuid, policy: { allowUnified: true } });
    tell([shard.evidence.verdict, shard.record.backend, shard.record.root === shard.blake3, shard.pointer ?? null]);
    tell([(await shard.verify({ level: "quick" })).verdict, (await shard.verify({ level: "sample", p: 0.5 })).verdict, (await shard.verify()).verdict, (await shard.challenge(Buffer.alloc(32, 1))).freshness.method]);
    const [entry] = await shard.book(1);
    const nonce = "ab".repeat(32);
    tell([(await shard.challenge(entry.nonce, { answer: entry.answer })).content.root === shard.blake3, (await shard.challenge(nonce)).freshness.response === TileList.response(shard.tileLists(), nonce), (await shard.challenge(entry.nonce, { method: "book" })).verdict]);
    tell((await (await loader.load("m.gguf")).spotCheck(shard, { p: 1 })).freshness.method);
    const scrub = shard.scrub({ dutyCycle: 1 });
    while (scrub.passes < 2) await sleep(10);
    await shard[Symbol.asyncDispose]();
    tell(await scrub.ended);
    tell(records().filter(({ sev }) => sev === "CRITICAL").map(({ type, reason }) => [type, reason]));
    const model = await loader.load("m.gguf");
    tell((await caught(model.verifyRanges([{ pointer: 4096n, bytes: 16, tensor: "token_embd.weight" }], { device: device.uuid, policy: { allowUnified: true } }))).code);
  `, { ...process.env, ...found.env });
  expect(said).toEqual([
    ["cpu", false], "VRAM_NO_DEVICE", ["VRAM_POLICY_VIOLATION", "allowUnified"],
    ["unified", "vulkan", true, null], ["unified", "unified", "unified", "fresh-mac"], [true, true, "inconclusive"], "sampled", "disposed",
    [["PolicyViolation", "VRAM_POLICY_VIOLATION"]], "VRAM_BAD_RANGE",
  ]);
});
