/** Real file systems of a few megabytes, for what only a full disk can show. They need the right to mount. */
import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { TestContext } from "vitest";

export type DiskKind = "tmpfs" | "ext4";

export interface SmallDisk {
  /** On the disk; does not exist yet. */
  readonly dir: string;
  fill(): void;
  free(): void;
}

/** A disk that is unmounted after the test; skips the test, with the reason, where none can be had. */
export function smallDisk(ctx: TestContext, kind: DiskKind, mebibytes: number): SmallDisk {
  const home = mkdtempSync(join(tmpdir(), "audit-disk-"));
  const point = join(home, "mnt");
  mkdirSync(point);
  onTestFinished(() => { rmSync(home, { recursive: true, force: true }); });
  const refused = kind === "tmpfs" ? mountTmpfs(point, mebibytes) : mountImage(join(home, "image"), point, mebibytes);
  if (refused !== undefined) return ctx.skip(`no ${kind} can be mounted here: ${refused}`);
  onTestFinished(() => { execFileSync("umount", ["-l", point]); });
  const filler = join(point, "filler");
  return { dir: join(point, "trail"), fill: () => { fillUp(filler); }, free: () => { rmSync(filler); execFileSync("sync", ["-f", point]); } };
}

function mountTmpfs(point: string, mebibytes: number): string | undefined {
  return attempt("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=700`, "tmpfs", point]);
}

function mountImage(image: string, point: string, mebibytes: number): string | undefined {
  const fd = openSync(image, "w");
  ftruncateSync(fd, mebibytes * 1024 * 1024);
  closeSync(fd);
  return attempt("mkfs.ext4", ["-q", "-m", "0", image]) ?? attempt("mount", ["-o", "loop", image, point]);
}

/** What went wrong, if anything. */
function attempt(program: string, args: readonly string[]): string | undefined {
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

/** To the last byte: a file that has a page left would still take a record. */
function fillUp(path: string): void {
  writeFileSync(path, "", { flag: "a" });
  for (const bytes of [65_536, 4_096, 1]) while (took(path, bytes)) continue;
}

function took(path: string, bytes: number): boolean {
  try {
    appendFileSync(path, Buffer.alloc(bytes, "x"));
    return true;
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== "ENOSPC") throw failure;
    return false;
  }
}
