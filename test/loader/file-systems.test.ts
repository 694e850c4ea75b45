/**
 * Guards on real file systems: which are had where, what is said of those that are not, and what a writer can do.
 * Each is mounted for the test (root and a few programs are needed); a file system that cannot be had is a skip with its reason.
 */
import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { TestContext } from "vitest";
import { tinyModel } from "../fixtures/models.mjs";
import { INSTALL_MS_MAX } from "../support/debian.ts";
import { gate, refusal } from "../support/gate.ts";
import type { Gate } from "../support/gate.ts";
import { prepareDiskTools } from "../support/loop-disk.ts";
import { mount } from "../support/mounts.ts";
import type { Mount, MountKind } from "../support/mounts.ts";

/** Compiling the tests in Rust where nobody has yet. */
const CARGO_MS_MAX = 300_000;

const bytes = tinyModel().bytes();
const sha256 = hash("sha256", bytes, "hex");

interface Expectation {
  readonly kind: MountKind;
  /** What a load gets unasked. */
  readonly guard: "leased" | "pinned";
  /** What is said of a lease that does not count. */
  readonly name?: string;
}

const EXPECTATIONS: readonly Expectation[] = [
  { kind: "ext4", guard: "leased" },
  { kind: "xfs", guard: "leased" },
  { kind: "btrfs", guard: "leased" },
  { kind: "tmpfs", guard: "pinned", name: "tmpfs" },
  { kind: "overlay", guard: "pinned", name: "overlayfs" },
  { kind: "fuse", guard: "pinned", name: "FUSE" },
];

beforeAll(prepareDiskTools, INSTALL_MS_MAX);

function overwrite(path: string): void {
  const fd = openSync(path, "r+");
  writeSync(fd, "evil", bytes.length - 4);
  closeSync(fd);
}

describe.each(EXPECTATIONS)("on $kind", ({ kind, guard, name }) => {
  let home: string;
  let mounted: Mount | string;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), "file-systems-"));
    mounted = mount(kind, home);
  });
  afterAll(() => {
    if (typeof mounted !== "string") mounted.remove();
    rmSync(home, { recursive: true, force: true });
  });

  function folderOn(ctx: TestContext): string {
    return typeof mounted === "string" ? ctx.skip(`no ${kind} can be mounted here: ${mounted}`) : mounted.folder;
  }

  /** A loader over a new folder there, with a model in it. */
  async function gateOn(ctx: TestContext): Promise<Gate & { path: string }> {
    const root = mkdtempSync(join(folderOn(ctx), "models-"));
    onTestFinished(() => { rmSync(root, { recursive: true }); });
    const path = join(root, "m.gguf");
    writeFileSync(path, bytes);
    return { ...(await gate({ root })), path };
  }

  test("the best guard that costs nothing is had and named, or the load refused where more was demanded", async (ctx) => {
    const { loader, records } = await gateOn(ctx);
    await using model = await loader.load("m.gguf");
    expect(model.guard).toBe(guard);
    if (name === undefined) expect(model.guardShortfall).toBeUndefined();
    else expect(model.guardShortfall).toContain(`a lease keeps nobody out on ${name}`);
    const { details } = (await records()).at(-1) ?? {};
    expect(details).toMatchObject({ guard, minGuard: "pinned" });
    expect(details?.["guardShortfall"]).toBe(model.guardShortfall);
    if (guard === "leased") {
      await using demanded = await loader.load("m.gguf", { minGuard: "leased" });
      expect(demanded.guard).toBe("leased");
      return;
    }
    const error = await refusal(loader.load("m.gguf", { minGuard: "leased" }));
    expect(error).toMatchObject({ code: "GUARD_UNAVAILABLE", severity: "HIGH", expected: "leased", actual: "pinned", retriable: false });
    expect(error.message).toContain(name);
  });

  test("whoever has the file open for writing is told apart from who has not", async (ctx) => {
    const { loader, path } = await gateOn(ctx);
    const fd = openSync(path, "r+");
    await using model = await loader.load("m.gguf");
    expect(model.guard).toBe("pinned");
    expect(model.guardShortfall).toContain(name ?? "EAGAIN");
    closeSync(fd);
  });

  test("a writer breaks a lease, and a pinned model tells of nothing", async (ctx) => {
    const { loader, path } = await gateOn(ctx);
    await using model = await loader.load("m.gguf");
    // The writer is this very thread.
    overwrite(path);
    expect({ now: model.guard, broken: model.guardBroken }).toEqual({ now: "pinned", broken: guard === "leased" });
  });

  test("a sealed copy outlives any writer", async (ctx) => {
    const { loader, path } = await gateOn(ctx);
    await using model = await loader.load("m.gguf", { minGuard: "sealed", sha256 });
    overwrite(path);
    expect(model.guard).toBe("sealed");
    expect(readFileSync(model.path)).toEqual(Buffer.from(bytes));
  });

  test("fs-verity that cannot be had is refused, and said why, to loads and to protect", async (ctx) => {
    const { loader, records } = await gateOn(ctx);
    const protection = loader.protect("m.gguf", { sha256 });
    const protectedHere = await protection.then(() => true, () => false);
    if (protectedHere) return ctx.skip("this machine has fs-verity: scripts/verity-check.mjs is the test of that");
    const told = { code: "GUARD_UNAVAILABLE", severity: "HIGH", expected: "fs-verity", retriable: false };
    expect(await refusal(protection)).toMatchObject(told);
    expect((await records()).at(-1)).toMatchObject({ type: "ModelLoadFailed", action: "model.protect", outcome: "denied", reason: "GUARD_UNAVAILABLE" });
    const error = await refusal(loader.load("m.gguf", { minGuard: "fs-verity" }));
    expect(error).toMatchObject({ ...told, actual: "pinned" });
    expect(error.message).toContain(name ?? "verity");
    await using wished = await loader.load("m.gguf", { guard: "fs-verity" });
    expect(wished.guardShortfall).toContain("verity");
  });

  // Leftover mappings, blocked writers, leases that break while the file is read.
  if (guard === "leased") test("the tests in Rust pass as they do on the machine's own disk", async (ctx) => {
    const folder = folderOn(ctx);
    const program = await rustTests();
    if (program === undefined) return ctx.skip("cargo cannot build the tests here");
    const { stdout } = await promisify(execFile)(program, [], { env: { ...process.env, TMPDIR: folder } });
    expect(stdout).toMatch(/^test result: ok\. \d+ passed; 0 failed/mu);
  }, CARGO_MS_MAX);
});

/** The test program of crates/verify/tests/guards.rs, which `cargo test` has built before in a whole check. */
async function rustTests(): Promise<string | undefined> {
  const args = ["test", "--locked", "-p", "verify", "--test", "guards", "--no-run", "--message-format", "json"];
  const { stdout } = await promisify(execFile)("cargo", args, { maxBuffer: 1 << 26 }).catch(() => ({ stdout: "" }));
  const messages = stdout.split("\n").filter((row) => row.startsWith("{")).map((row) => JSON.parse(row) as { executable?: string | null });
  return messages.map(({ executable }) => executable ?? undefined).findLast((path) => path !== undefined);
}
