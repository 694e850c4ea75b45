/**
 * Folders in which no trail can be written: each has its own reason and its own words, nothing in it is changed by the refusal, and
 * when the cause is gone the trail goes on behind what it held.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { AuditWriteError } from "../../lib/audit/errors.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import { verifyTrail } from "../../lib/audit/verify.ts";
import { compiledLibrary, death, newFolder, recordsOf, ROOT, segmentsOf, startProgram, writtenTrail } from "./support.ts";

const asRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;
const AS_NOBODY = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
const RECORDS = 1;
/** A trail that was rolled back is told on standard error too; that is not the subject here. */
const QUIET = { emergency: (): void => undefined };

let home: string;
beforeAll(() => { home = compiledLibrary(); });
afterAll(() => { rmSync(home, { recursive: true, force: true }); });

/** Makes the folder unusable and returns how to make it good again. */
type Cause = (dir: string, ctx: TestContext) => () => void;

const CAUSES: readonly [what: string, cause: Cause, reason: string, words: RegExp][] = [
  ["that is a symbolic link", swapped((dir) => { symlinkSync(`${dir}-real`, dir); }), "folder", /^the audit folder \S+ is a symbolic link; name the folder that it points to$/],
  ["that is a file", swapped((dir) => { writeFileSync(dir, ""); }), "folder", /^the audit folder \S+ is not a folder$/],
  ["that others can write", mode(0o777, 0o700), "folder", /^the audit folder \S+ can be written by others \(mode 777\); run: chmod go-w on it$/],
  ["that is somebody else's", owner, "folder", /^the audit folder \S+ belongs to user 65534, and this process runs as 0; give it a folder of its own$/],
  ["on a disk that is read-only", readOnly, "lock", /^the audit folder \S+ cannot be locked: .*[Rr]ead-only file system/],
  ["whose log is a symbolic link", inside("log", (path) => { symlinkSync(`${path}-real`, path); }), "folder", /^the audit folder \S+\/log is a symbolic link; name the folder that it points to$/],
  ["with a changed record", edited((text) => text.replace('"c-0"', '"c-X"')), "damaged", /^the audit trail is damaged: record 1 is changed \(0{20}\.jsonl, byte \d+\).* Keep a copy and find out why; then open a new folder, or this one with force: true, which is recorded$/],
  ["of a later version", edited((text) => text.replaceAll('{"v":1,', '{"v":2,')), "version", /^the audit trail was written by a later version of this program: .*it is of version 2; update it$/],
  ["whose end was cut off", edited((text) => text.slice(0, text.lastIndexOf("\n", text.length - 2) + 1)), "rolled_back", /checkpoint/],
];

describe("a folder", () => {
  test.for(CAUSES)("%s is refused in its own words, untouched, and good again afterwards", async ([, cause, reason, words], ctx) => {
    const dir = await writtenTrail(RECORDS);
    const undo = cause(dir, ctx);
    const before = contentOf(dirname(dir));
    await expect(AuditLog.open(dir, QUIET)).rejects.toMatchObject({ name: "AuditWriteError", code: "AUDIT_UNAVAILABLE", reason, message: expect.stringMatching(words) as string });
    expect(contentOf(dirname(dir))).toEqual(before);
    undo();
    await goesOn(dir);
  });

  test("that another process has locked is refused, and good again when that one is gone", async () => {
    const dir = await writtenTrail(RECORDS);
    const child = startProgram(home, dir, "const log = await AuditLog.open(dir); console.log('open'); setInterval(() => {}, 1000);");
    const ended = death(child);
    await new Promise((open) => child.stdout?.once("data", open));
    await expect(AuditLog.open(dir)).rejects.toMatchObject({ reason: "lock", message: `the audit folder ${dir} is in use by another process or another AuditLog; a folder has one writer` });
    child.kill("SIGKILL");
    await ended;
    await goesOn(dir);
  });

  test.for<[what: string, modeOf: number, reason: string, words: string]>([
    ["that its own user may not write", 0o500, "folder", "cannot be made: EACCES"],
    ["that its own user may not enter", 0o600, "folder", "cannot be reached: EACCES"],
  ])("%s is refused in its own words, and nothing is made in it", async ([, modeOf, reason, words], ctx) => {
    if (!asRoot) return ctx.skip("only root can become another user");
    if (spawnSync("setpriv", [...AS_NOBODY, "test", "-x", join(ROOT, "dist")]).status !== 0) return ctx.skip("another user cannot read this checkout");
    const parent = dirname(newFolder());
    chownSync(parent, NOBODY, NOBODY);
    chmodSync(parent, modeOf);
    chmodSync(home, 0o755);
    const program = "await AuditLog.open(dir).catch((e) => { console.log(e.reason, e.message); });";
    const { stdout, stderr } = await death(startProgram(home, join(parent, "trail"), program, [...AS_NOBODY, process.execPath], "setpriv"));
    expect(stderr).toBe("");
    expect(stdout).toContain(`${reason} the audit folder ${join(parent, "trail")} ${words}`);
    expect(readdirSync(parent)).toEqual([]);
  });
});

test("a trail with any one byte changed is refused at the opening and by the verifier, and stays as it is", async () => {
  const dir = await writtenTrail(RECORDS);
  const [path = ""] = segmentsOf(dir);
  const good = readFileSync(path);
  for (let at = 0; at < good.length; at += 1) {
    const bad = Buffer.from(good);
    bad[at] = (good[at] ?? 0) ^ 1;
    writeFileSync(path, bad);
    const reason = await refusalOf(dir);
    // The very many calls of expect would take longer than what they look at.
    if (!["damaged", "version", "rolled_back"].includes(reason)) expect({ at, reason }).toEqual({ at, reason: "damaged" });
    if (!readFileSync(path).equals(bad)) expect({ at, touched: true }).toEqual({ at, touched: false });
    const { ok } = await verifyTrail(dir);
    if (ok) expect({ at, ok }).toEqual({ at, ok: false });
  }
  writeFileSync(path, good);
  await goesOn(dir);
}, 120_000);

async function refusalOf(dir: string): Promise<string> {
  try {
    await (await AuditLog.open(dir, QUIET))[Symbol.asyncDispose]();
    return "none";
  } catch (failure) {
    return failure instanceof AuditWriteError ? failure.reason : String(failure);
  }
}

async function goesOn(dir: string): Promise<void> {
  const before = recordsOf(dir);
  await (await AuditLog.open(dir))[Symbol.asyncDispose]();
  expect(recordsOf(dir).slice(0, before.length)).toEqual(before);
  expect(recordsOf(dir).filter(({ type }) => type === "ModelLoaded")).toHaveLength(RECORDS);
  expect(await verifyTrail(dir)).toMatchObject({ ok: true, closed: true });
}

/** Every file below with what is in it. */
function contentOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return Object.fromEntries(names.map((name) => {
    const path = join(folder, name);
    const found = lstatSync(path);
    return [name, `${found.mode} ${found.uid} ${found.isFile() ? readFileSync(path, "latin1") : ""}`];
  }));
}

function swapped(put: (dir: string) => void): Cause {
  return (dir) => {
    renameSync(dir, `${dir}-real`);
    put(dir);
    return () => { rmSync(dir); renameSync(`${dir}-real`, dir); };
  };
}

function inside(name: string, put: (path: string) => void): Cause {
  return (dir, ctx) => swapped(put)(join(dir, name), ctx);
}

function edited(edit: (text: string) => string): Cause {
  return (dir) => {
    const [path = ""] = segmentsOf(dir);
    const text = readFileSync(path, "latin1");
    writeFileSync(path, edit(text), "latin1");
    return () => { writeFileSync(path, text, "latin1"); };
  };
}

function mode(bad: number, good: number): Cause {
  return (dir) => {
    chmodSync(dir, bad);
    return () => { chmodSync(dir, good); };
  };
}

function owner(dir: string, ctx: TestContext): () => void {
  if (!asRoot) return ctx.skip("only root can give a folder away");
  chownSync(dir, NOBODY, NOBODY);
  return () => { chownSync(dir, 0, 0); };
}

/** The folder stays where it is, under a mount that cannot be written. */
function readOnly(dir: string, ctx: TestContext): () => void {
  const bound = spawnSync("mount", ["--bind", dir, dir]).status === 0;
  if (!bound) return ctx.skip("nothing may be mounted here");
  execFileSync("mount", ["-o", "remount,ro,bind", dir]);
  return () => { execFileSync("umount", [dir]); };
}
