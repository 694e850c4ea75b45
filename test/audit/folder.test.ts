import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { AuditLog } from "../../lib/audit/log.ts";
import { newFolder, openLog } from "./support.ts";

const asRoot = process.geteuid?.() === 0;
const refused = (dir: string, reason: string, words: string): Promise<void> =>
  expect(AuditLog.open(dir)).rejects.toMatchObject({ name: "AuditWriteError", code: "AUDIT_UNAVAILABLE", reason, message: expect.stringContaining(words) as string });

describe("the audit folder", () => {
  test("is made where it is missing, with its parents", async () => {
    const dir = join(newFolder(), "a", "b");
    const log = await openLog(dir);
    expect(readdirSync(dir).sort()).toEqual(["key.pem", "lock", "log", "reserve"]);
    await log[Symbol.asyncDispose]();
    expect(readdirSync(dir).sort()).toEqual(["checkpoint", "key.pem", "lock", "log", "reserve", "tile", "vkey"]);
  });

  test("may be there, with files of others in it", async () => {
    const dir = newFolder();
    mkdirSync(join(dir, "log"), { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, "log", "README"), "not a segment");
    await openLog(dir);
  });

  test("that is a file is refused", async () => {
    const dir = newFolder();
    writeFileSync(dir, "");
    await refused(dir, "folder", "is not a folder");
    await refused(join(dir, "deeper"), "folder", "is a file");
  });

  test("that is a symbolic link is refused", async () => {
    const dir = newFolder();
    mkdirSync(`${dir}-real`, { mode: 0o700 });
    symlinkSync(`${dir}-real`, dir);
    await refused(dir, "folder", "is a symbolic link");
  });

  test("whose log is a symbolic link is refused", async () => {
    const dir = newFolder();
    mkdirSync(dir, { mode: 0o700 });
    mkdirSync(`${dir}-real`, { mode: 0o700 });
    symlinkSync(`${dir}-real`, join(dir, "log"));
    await refused(dir, "folder", "is a symbolic link");
  });

  test("whose lock is a symbolic link is refused", async () => {
    const dir = newFolder();
    mkdirSync(dir, { mode: 0o700 });
    symlinkSync("/dev/null", join(dir, "lock"));
    await refused(dir, "lock", "cannot be locked");
  });

  test("that others can write is refused", async () => {
    for (const mode of [0o770, 0o707, 0o777]) {
      const dir = newFolder();
      mkdirSync(dir);
      chmodSync(dir, mode);
      await refused(dir, "folder", "chmod go-w");
      expect(statSync(dir).mode & 0o777).toBe(mode);
    }
  });

  test.runIf(asRoot)("that is somebody else's is refused", async () => {
    const dir = newFolder();
    mkdirSync(dir, { mode: 0o700 });
    chownSync(dir, 12_345, 12_345);
    await refused(dir, "folder", "belongs to user 12345");
  });

  test.runIf(asRoot)("on a read-only disk is refused", async () => {
    const dir = newFolder();
    const mount = dirname(dir);
    execFileSync("mount", ["-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", mount]);
    onTestFinished(() => { execFileSync("umount", [mount]); });
    await refused(dir, "folder", "read-only");
  });

  test.runIf(asRoot)("that became read-only is refused", async () => {
    const dir = newFolder();
    mkdirSync(dir);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", dir]);
    onTestFinished(() => { execFileSync("umount", [dir]); });
    const log = await AuditLog.open(dir);
    await log[Symbol.asyncDispose]();
    execFileSync("mount", ["-o", "remount,ro", dir]);
    await refused(dir, "lock", "Read-only file system");
  });

  test("in use is refused, and free again afterwards", async () => {
    const dir = newFolder();
    const log = await AuditLog.open(dir);
    await refused(dir, "lock", "in use by another process or another AuditLog");
    await log[Symbol.asyncDispose]();
    const next = await AuditLog.open(dir);
    await next[Symbol.asyncDispose]();
  });

  test("is let go of when opening fails", async () => {
    const dir = newFolder();
    mkdirSync(join(dir, "log", "00000000000000000000.jsonl"), { recursive: true, mode: 0o700 });
    await expect(AuditLog.open(dir)).rejects.toThrow();
    rmSync(join(dir, "log", "00000000000000000000.jsonl"), { recursive: true });
    await openLog(dir);
  });
});

if (!asRoot) console.log("skipped, because they need root to mount: somebody else's folder, a read-only disk");
