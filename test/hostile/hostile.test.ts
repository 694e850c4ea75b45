/** Attacks by another process, at speed. What may come of each is listed here, what came of it is counted; README.md says why. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, renameSync, statfsSync, symlinkSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Attacker } from "./attacker.ts";
import { field } from "./field.ts";
import type { Field } from "./field.ts";
import { inspecting, loading, naive, reading } from "./looks.ts";
import type { Look, Naive } from "./looks.ts";
import { besiege, rowOf, TABLE_HEAD } from "./siege.ts";
import type { Toll } from "./siege.ts";

/** Cutting a file takes the kernel milliseconds; most attacks strike a hundred thousand times a second. */
const STROKES_MIN = 50;
const TMPFS = 0x0102_1994;
const rows = [TABLE_HEAD];
const NOBODY: Naive = () => () => false;
let attacker: Attacker;

beforeAll(() => { attacker = new Attacker(); });
afterAll(() => {
  attacker.remove();
  console.log(rows.join("\n"));
});

/** The attack took place, and nothing has come of it but what may. */
async function withstood(name: string, attack: readonly string[], look: Look, allowed: readonly string[], host: Naive = NOBODY): Promise<Toll> {
  const toll = await besiege(attacker, attack, look, host);
  rows.push(rowOf(name, toll));
  expect(Object.keys(toll.outcomes).filter((outcome) => !allowed.includes(outcome)), rowOf(name, toll)).toEqual([]);
  expect(toll.strokes + toll.heldOff, "the attack hardly took place").toBeGreaterThan(STROKES_MIN);
  return toll;
}

/** An attack on the bytes of m.gguf, which become the evil ones and the good ones in turn. */
function writing(attack: string, { at }: Field): string[] {
  return [attack, at("root/m.gguf"), at("outside/good.gguf"), at("outside/evil.gguf")];
}

/** The inode is held: whatever becomes of its name, these are its bytes. */
const HELD = ["pinned, the model", "leased, the model"];
/** A change of the name moves the inode's change time too. */
const MOVED = "CHANGED_WHILE_READ";

describe("the name of a model", () => {
  test("is swapped with a symbolic link to outside", async () => {
    const ground = await field();
    symlinkSync("../outside/evil.gguf", ground.at("root/link"));
    const attack = ["exchange", ground.at("root/m.gguf"), ground.at("root/link")];
    const toll = await withstood("symbolic link", attack, loading(ground, "m.gguf"), [...HELD, MOVED, "PATH_TRAVERSAL"], naive(ground, "m.gguf"));
    expect(toll.outcomes["PATH_TRAVERSAL"]).toBeGreaterThan(0);
    expect(toll.fooled).toBeGreaterThan(0);
  });

  test("has its folder swapped with a symbolic link to outside", async () => {
    const ground = await field();
    mkdirSync(ground.at("root/dir"));
    renameSync(ground.at("root/m.gguf"), ground.at("root/dir/m.gguf"));
    renameSync(ground.at("outside/evil.gguf"), ground.at("outside/m.gguf"));
    symlinkSync("../outside", ground.at("root/link"));
    const attack = ["exchange", ground.at("root/dir"), ground.at("root/link")];
    const toll = await withstood("folder's link", attack, loading(ground, "dir/m.gguf"), [...HELD, "PATH_TRAVERSAL"], naive(ground, "dir/m.gguf"));
    expect(toll.outcomes["PATH_TRAVERSAL"]).toBeGreaterThan(0);
    expect(toll.fooled).toBeGreaterThan(0);
  });

  test("is given to another file by renaming", async () => {
    const ground = await field();
    const attack = ["exchange", ground.at("root/m.gguf"), ground.at("root/evil.gguf")];
    const look = loading(ground, "m.gguf", { sha256: ground.goodSha256 });
    const toll = await withstood("rename", attack, look, [...HELD, MOVED, "DIGEST_MISMATCH"], naive(ground, "m.gguf"));
    expect(toll.outcomes["DIGEST_MISMATCH"]).toBeGreaterThan(0);
    expect(toll.fooled).toBeGreaterThan(0);
  });

  test("is given to a FIFO that nobody writes to", async () => {
    const ground = await field();
    spawnSync("mkfifo", [ground.at("root/fifo")]);
    const attack = ["exchange", ground.at("root/m.gguf"), ground.at("root/fifo")];
    const { outcomes } = await withstood("FIFO", attack, loading(ground, "m.gguf"), [...HELD, MOVED, "NOT_REGULAR_FILE"]);
    expect(outcomes["NOT_REGULAR_FILE"]).toBeGreaterThan(0);
  });

  test("is removed and given to new files, so that inode numbers come back", async () => {
    const ground = await field();
    const attack = writing("recreate", ground);
    const look = loading(ground, "m.gguf", { sha256: ground.goodSha256 });
    await withstood("inodes come back", attack, look, [...HELD, MOVED, "DIGEST_MISMATCH", "NOT_FOUND"], naive(ground, "m.gguf"));
  });

  test("has another file mounted over it", async (context) => {
    const ground = await field();
    onTestFinished(() => { spawnSync("umount", ["-l", ground.at("root/m.gguf")], { stdio: "ignore" }); });
    if (!mounts(ground)) context.skip("no mounting here");
    const attack = ["bind", ground.at("root/evil.gguf"), ground.at("root/m.gguf")];
    const look = loading(ground, "m.gguf", { sha256: ground.goodSha256 });
    // A path that led through a mount which is gone by now leads nowhere below the root.
    const allowed = [...HELD, "DIGEST_MISMATCH", "PATH_TRAVERSAL"];
    const { outcomes } = await withstood("bind mount", attack, look, allowed, naive(ground, "m.gguf"));
    expect(outcomes["DIGEST_MISMATCH"]).toBeGreaterThan(0);
  });
});

function mounts(ground: Field): boolean {
  const [from, over] = [ground.at("root/evil.gguf"), ground.at("root/m.gguf")];
  return spawnSync("mount", ["--bind", from, over]).status === 0 && spawnSync("umount", [over]).status === 0;
}

/** Anything may come of it, for nothing was promised; the process lives. */
const UNLEASED = ["pinned, the model", "pinned, another model, as verified", "pinned, not what was verified"];
const UNGUARDED = [...UNLEASED, "leased, the model"];
/** A lease that broke between the verdict and the last byte has become `pinned`. */
const LEASED = ["leased, the model", "pinned, the model", MOVED, "GUARD_UNAVAILABLE", "DIGEST_MISMATCH"];
const SEALED = ["sealed, the model", "sealed, another model, as verified", MOVED];

describe("the bytes of a model", () => {
  const leased = (ground: Field): Look => loading(ground, "m.gguf", { minGuard: "leased", sha256: ground.goodSha256 });
  const sealed = (ground: Field): Look => loading(ground, "m.gguf", { minGuard: "sealed" });

  test("are rewritten in place, and the writer breaks leases", async () => {
    const ground = await field();
    const attack = writing("rewrite", ground);
    await withstood("rewriting", attack, loading(ground, "m.gguf"), [...UNGUARDED, MOVED], naive(ground, "m.gguf"));
    await withstood("rewriting, leased", attack, leased(ground), LEASED);
    await withstood("rewriting, sealed", attack, sealed(ground), SEALED);
  });

  test("are rewritten through a hard link outside", async () => {
    const ground = await field();
    const attack = [...writing("hardlink", ground), ground.at("outside/hard.gguf")];
    await withstood("hard link, leased", attack, leased(ground), LEASED, naive(ground, "m.gguf"));
  });

  test("are cut away and put back", async () => {
    const ground = await field();
    const attack = writing("cut", ground);
    const cut = ["GGUF_TRUNCATED", "GGUF_NOT_GGUF"];
    await withstood("truncation", attack, loading(ground, "m.gguf"), [...UNGUARDED, MOVED, ...cut]);
    await withstood("truncation, leased", attack, leased(ground), LEASED);
    await withstood("truncation, inspected", attack, inspecting(ground, "m.gguf"), ["a header", MOVED, ...cut]);
  });

  test("are rewritten through a mapping that has outlived its descriptor", async () => {
    const ground = await field();
    const attack = writing("leftover", ground);
    await withstood("leftover mapping", attack, loading(ground, "m.gguf"), [...UNLEASED, MOVED]);
    await withstood("leftover mapping, leased", attack, leased(ground), ["GUARD_UNAVAILABLE"]);
    await withstood("leftover mapping, sealed", attack, sealed(ground), SEALED);
  });

  test("are rewritten through mapping after mapping, to slip in beside a lease", async () => {
    const ground = await field();
    await withstood("new mappings, leased", writing("remap", ground), leased(ground), LEASED, naive(ground, "m.gguf"));
  });

  test("are rewritten on tmpfs, in pages that io_uring holds without descriptor or mapping", async (context) => {
    if (statfsSync("/dev/shm").type !== TMPFS) context.skip("no tmpfs at /dev/shm");
    const ground = await field({ within: "/dev/shm" });
    const attack = writing("pinned", ground);
    if (!attacker.can(attack)) context.skip("no io_uring here");
    await withstood("pinned pages", attack, loading(ground, "m.gguf"), UNLEASED);
    await withstood("pinned pages, leased", attack, leased(ground), ["GUARD_UNAVAILABLE"]);
    await withstood("pinned pages, sealed", attack, sealed(ground), SEALED);
  });

  test("are rewritten by a call that hangs half-way, which no lease sees and a sealed copy need not", async (context) => {
    const ground = await field();
    const attack = writing("stalled", ground);
    if (!attacker.can(attack)) context.skip("page faults may not be watched here");
    const landed = ["leased, another model, as verified", "leased, not what was verified"];
    const look = loading(ground, "m.gguf", { minGuard: "leased" });
    await withstood("stalled writes, leased", attack, look, [...LEASED, ...UNLEASED, ...landed]);
    await withstood("stalled writes, sealed", attack, sealed(ground), SEALED);
  });

  test("are spoilt in the copy in memory before it is sealed", async () => {
    const ground = await field();
    const attack = [...writing("memory", ground), String(process.pid)];
    const { outcomes } = await withstood("memory in the making", attack, sealed(ground), ["sealed, the model", MOVED]);
    expect(outcomes[MOVED], "the attack works").toBeGreaterThan(0);
  });

  test("are rewritten and cut away while they are read through their tiles", async () => {
    const ground = await field();
    const model = await ground.loader.load("m.gguf", { guard: "pinned" });
    for (const attack of ["cut", "leftover"]) {
      const toll = await withstood(`${attack}, read by tiles`, writing(attack, ground), reading(model, ground), ["the model", "CHANGED_AFTER_CHECK"]);
      expect(toll.outcomes["CHANGED_AFTER_CHECK"]).toBeGreaterThan(0);
    }
    await model[Symbol.asyncDispose]();
  });
});

/** More than a tile: smaller files have no records. */
const PAGES_RECORDED = 300;
const HEAD_BYTES = 160;

describe("the record of a model", () => {
  test("is exchanged for one that gives its digest to another model", async () => {
    const ground = await field({ pages: PAGES_RECORDED, recordKey: randomBytes(32) });
    const [good, evil] = [await recordOf(ground, "m.gguf", ground.goodSha256), await recordOf(ground, "evil.gguf", ground.evilSha256)];
    const spliced = ground.at("outside/spliced");
    writeFileSync(spliced, Buffer.concat([readFileSync(good).subarray(0, HEAD_BYTES), readFileSync(evil).subarray(HEAD_BYTES)]));
    const another = ground.at("outside/another");
    copyFileSync(evil, another);
    const pristine = ground.at("outside/record");
    copyFileSync(good, pristine);
    for (const attack of [["rewrite", good, pristine, spliced], ["recreate", good, pristine, another]]) {
      const asEvil = loading(ground, "evil.gguf", { sha256: ground.goodSha256 });
      await withstood(`${attack[0] ?? ""} record, evil file`, attack, asEvil, ["DIGEST_MISMATCH"]);
      const asGood = loading(ground, "m.gguf", { sha256: ground.goodSha256 });
      await withstood(`${attack[0] ?? ""} record, good file`, attack, asGood, [...HELD, ...HELD.map((held) => `${held}, by tiles`)]);
    }
  });

  test("has its inode removed and its number given to new files, which are not taken for it", async () => {
    const ground = await field({ pages: PAGES_RECORDED, recordKey: randomBytes(32), identity: true });
    const look = loading(ground, "m.gguf", { sha256: ground.goodSha256 });
    const held = HELD.flatMap((guard) => [guard, `${guard}, by tiles`, `${guard}, by identity`]);
    // Younger changes are never trusted: a clock that ticks could hide another.
    await sleep(2_100);
    expect([await look(), await look()], "the inode is recognised").toEqual(["leased, the model", "leased, the model, by identity"]);
    const { outcomes } = await withstood("inodes come back, recognised", writing("recreate", ground), look, [...held, MOVED, "DIGEST_MISMATCH", "NOT_FOUND"]);
    expect(outcomes["DIGEST_MISMATCH"], "the evil one was met").toBeGreaterThan(0);
  });
});

/** The file of the record that a load of the model leaves. */
async function recordOf(ground: Field, path: string, sha256: string): Promise<string> {
  await using model = await ground.loader.load(path, { sha256 });
  return ground.at(`state/${model.sha256}.record`);
}
