/** `model-loader vram` on the driver double: what people and programs see, and the exit codes. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { WatchView } from "../../lib/cli/vram-view.ts";
import type { Evidence } from "../../lib/vram/evidence.ts";
import type { Shard } from "../../lib/vram/shard.ts";
import { tinyModel } from "../fixtures/models.mjs";
import { builtDouble, DOUBLE_MS_MAX, installedDouble, NO_VULKAN } from "../support/driver-double.ts";
import { recordsOf } from "../support/gate.ts";
import { cli, ended, folder, line, lines, start } from "./support.ts";

beforeAll(async () => { await builtDouble(); }, DOUBLE_MS_MAX);

async function models(): Promise<string> {
  const home = await folder();
  tinyModel({ blocks: 16 }).save(join(home, "m.gguf"));
  return home;
}

/** What the driver does wrong from now on. */
function fails(env: NodeJS.ProcessEnv, fault: string): void {
  writeFileSync(env["DRIVER_DOUBLE"] ?? "", fault);
}

describe("vram devices", () => {
  test("lists them for people and for programs", async () => {
    const env = await installedDouble();
    const people = await cli(["vram", "devices"], undefined, env);
    expect(people).toMatchObject({ code: 0, stdout: expect.stringMatching(/^backend +name +uuid.*\ncuda +Driver Double +GPU-[0-9a-f-]{36} +0000:65:00\.0 +268 MB +268 MB +on +550\.54\.15 +yes\n$/u) as string });
    const programs = await cli(["vram", "devices", "--json"], undefined, env);
    expect(lines(programs.stdout)[0]).toMatchObject({ ok: true, backend: "cuda", isVram: true, kind: "discrete" });
  });

  test("says that there is none, and why", async () => {
    const home = await folder();
    for (const name of ["libcuda.so.1", "libvulkan.so.1"]) writeFileSync(join(home, name), "no library");
    const env = { ...process.env, ...NO_VULKAN, LD_LIBRARY_PATH: home };
    const { code, stdout, stderr } = await cli(["vram", "devices", "--json"], undefined, env);
    expect(code).toBe(3);
    expect(lines(stdout)).toMatchObject([{ ok: false, code: "VRAM_NO_DRIVER" }, { ok: false, code: "VRAM_NO_DRIVER" }]);
    expect(stderr).toContain("There is no GPU");
    const trail = join(home, "audit");
    for (const command of ["seal", "verify", "watch"]) {
      const escaped = await cli(["vram", command, "../m.gguf", "--root", ".", "--json", "--audit", trail], await models(), env);
      expect([escaped.code, line(escaped.stdout)]).toMatchObject([1, { ok: false, code: "PATH_TRAVERSAL", severity: "CRITICAL" }]);
    }
    expect((await recordsOf(trail)).filter(({ sev }) => sev === "CRITICAL").map(({ type }) => type)).toEqual(Array(3).fill("PathTraversalAttempt"));
    const sealed = await cli(["vram", "seal", "m.gguf", "--json"], await models(), env);
    expect([sealed.code, line(sealed.stdout)]).toMatchObject([3, { path: "m.gguf", ok: false, code: "VRAM_NO_DRIVER", retriable: false }]);
  });
});

describe("vram seal", () => {
  test("tells what was sealed, records it and ends", async () => {
    const [home, env] = [await models(), await installedDouble()];
    const { code, stdout } = await cli(["vram", "seal", "m.gguf", "--json", "--audit", join(home, "audit"), "--actor", "alice"], home, env);
    expect([code, line(stdout)]).toMatchObject([0, { path: "m.gguf", ok: true, sealed: true, record: { access: "read-only" }, evidence: { verdict: "resident" } }]);
    const types = (await recordsOf(join(home, "audit"))).filter(({ type }) => !type.startsWith("Audit")).map(({ type }) => type);
    expect(types).toEqual(["ModelLoaded", "VramAllocated", "VramSealed", "VramDeallocated", "ModelUnloaded"]);
    const people = await cli(["vram", "seal", "m.gguf"], home, env);
    expect(people.stdout).toMatch(/^sealed {3}m\.gguf\n(?: {2}.*\n)+ {2}RESIDENT by a full check\n {4}accounting .*\n {4}placement {3}device memory, pinned, read-only\n {4}content .*all as sealed\n {4}timing .*\n {4}freshness {3}not asked for\n$/u);
  });

  test("--hold stays until it is told to go, and clears the memory then", async () => {
    const [home, env] = [await models(), await installedDouble()];
    const child = start(["vram", "seal", "m.gguf", "--hold", "--json", "--audit", join(home, "audit")], home, env);
    const end = ended(child);
    await once(child.stdout, "data");
    expect(child.exitCode).toBe(null);
    child.kill("SIGINT");
    expect((await end).code).toBe(130);
    expect((await recordsOf(join(home, "audit"))).map(({ type }) => type)).toContain("VramDeallocated");
  });

  test.each([
    ["host=1", 1, "VRAM_POLICY_VIOLATION"],
    ["flip_copy=300000", 1, "VRAM_SELF_TEST_FAILED|VRAM_SEAL_MISMATCH"],
    ["free=1000", 3, "VRAM_INSUFFICIENT_MEMORY"],
    ["lost=1", 1, "VRAM_DEVICE_LOST"],
  ])("under %s ends with %i", async (fault, code, pattern) => {
    const [home, env] = [await models(), await installedDouble()];
    fails(env, fault);
    const end = await cli(["vram", "seal", "m.gguf", "--json"], home, env);
    const said = line(end.stdout);
    expect(said["code"]).toMatch(new RegExp(`^(?:${pattern})$`, "u"));
    if (said["code"] !== "VRAM_SELF_TEST_FAILED") expect(end.code).toBe(code);
  });

  test("of what is no model, of a missing file and without its trail ends as verify does", async () => {
    const [home, env] = [await models(), await installedDouble()];
    writeFileSync(join(home, "x.gguf"), "hello");
    expect((await cli(["vram", "seal", "x.gguf"], home, env)).code).toBe(1);
    expect((await cli(["vram", "seal", "none.gguf"], home, env)).code).toBe(3);
    writeFileSync(join(home, "audit"), "a file");
    expect((await cli(["vram", "seal", "m.gguf", "--audit", join(home, "audit")], home, env)).code).toBe(4);
  });
});

describe("vram verify", () => {
  test("gives evidence at the level that was asked for", async () => {
    const [home, env] = [await models(), await installedDouble()];
    const nonce = "ab".repeat(32);
    const { code, stdout } = await cli(["vram", "verify", "m.gguf", "--level", "challenge", "--nonce", nonce, "--json"], home, env);
    expect([code, line(stdout)]).toMatchObject([0, { ok: true, evidence: { level: "challenge", verdict: "resident", freshness: { method: "fresh-mac", nonce } } }]);
    const quick = await cli(["vram", "verify", "m.gguf", "--level", "quick"], home, env);
    expect(quick.stdout).toMatch(/RESIDENT by a quick check\n[^]*content {5}not read\n/u);
  });

  test("of a device that is no VRAM is refused, and allowed it says unified", async () => {
    const [home, env] = [await models(), await installedDouble()];
    fails(env, "integrated=1");
    expect((await cli(["vram", "verify", "m.gguf"], home, env)).code).toBe(3);
    const { code, stdout } = await cli(["vram", "verify", "m.gguf", "--allow-software-device", "--json"], home, env);
    expect([code, line(stdout)]).toMatchObject([0, { evidence: { verdict: "unified" } }]);
  });
});

describe("vram watch", () => {
  test("tells a program each step, as JSON lines in a pipe", async () => {
    const [home, env] = [await models(), await installedDouble()];
    const { code, stdout } = await cli(["vram", "watch", "m.gguf", "--duty", "1", "--passes", "2"], home, env);
    const events = lines(stdout).map(({ event }) => event);
    expect(code).toBe(0);
    expect(events[0]).toBe("sealed");
    expect(events.filter((event) => event === "completed")).toHaveLength(2);
    expect(lines(stdout).at(-1)).toMatchObject({ event: "ended", why: "stopped", passes: 2 });
  });

  test("ends with 1 when a bit flips", async () => {
    const [home, env] = [await models(), await installedDouble()];
    const child = start(["vram", "watch", "m.gguf", "--duty", "1"], home, env);
    const end = ended(child);
    await once(child.stdout, "data");
    fails(env, "flip=300000");
    const { code, stdout } = await end;
    expect(code).toBe(1);
    expect(lines(stdout).slice(-2)).toMatchObject([{ event: "failed", code: "VRAM_VERIFICATION_FAILED" }, { event: "ended", why: "failed" }]);
  });

  test("draws a view in place on a terminal, whatever its width", () => {
    const written: string[] = [];
    const evidence = { verdict: "resident", placement: { memoryType: "device", access: "read-only" }, timing: { residentFractionMin: 0.957 }, accounting: { totalBytes: 80e9, freeBytes: 40e9 } } as unknown as Evidence;
    const shard = { device: { name: "A \u001B[31mGPU" }, record: { deviceUuid: "GPU-1", backend: "cuda", shardId: "5".repeat(32) }, sizeBytes: 40e9, evidence } as unknown as Shard;
    let now = 0;
    const view = new WatchView({ columns: 60, write: (text: string) => written.push(text) }, shard, 0.01, () => now);
    now = 500;
    view.step({ bytes: 1e9, seconds: 0.001, coverage: 0.5, passes: 3 });
    view.end();
    view.end();
    view.draw();
    const text = written.join("");
    expect(text).not.toContain("\u001B[31m");
    expect(text).toContain("[###############---------------] 50.0 %");
    expect(text).toContain("at least 95.7 % resident");
    for (const row of text.split(/\n|\u001B\[\d+A/u)) expect(row.replace("\r\u001B[2K", "").length).toBeLessThan(60);
    expect(text.endsWith("\n")).toBe(true);
  });
});
