/** A disk for the trail that can be filled: the kernel's own where mounting is allowed, else file operations that say ENOSPC. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { NODE_FS } from "../../lib/audit/files.ts";
import type { AuditFs } from "../../lib/audit/files.ts";

export interface Disk {
  readonly fs: AuditFs;
  fill(): void;
  free(): void;
  /** To be called when nothing has a file open there. */
  remove(): void;
}

export function smallDisk(folder: string): Disk {
  mkdirSync(folder, { recursive: true });
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", folder]).status === 0;
  return mounted ? realDisk(folder) : pretendedDisk();
}

function realDisk(folder: string): Disk {
  const filler = join(folder, "filler");
  return {
    fs: NODE_FS,
    fill: () => { writeUntilFull(filler); },
    free: () => { rmSync(filler); },
    remove: () => { spawnSync("umount", ["-l", folder]); },
  };
}

function pretendedDisk(): Disk {
  let full = false;
  const refuse = (): never => { throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }); };
  const writeSyncOrNot = ((...args: Parameters<typeof writeSync>) => (full ? refuse() : writeSync(...args))) as typeof writeSync;
  return {
    fs: { ...NODE_FS, writeSync: writeSyncOrNot },
    fill: () => { full = true; },
    free: () => { full = false; },
    remove: () => undefined,
  };
}

function writeUntilFull(path: string): void {
  const fd = openSync(path, "w");
  const block = Buffer.alloc(4096);
  try {
    for (;;) writeSync(fd, block);
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== "ENOSPC") throw failure;
  } finally {
    closeSync(fd);
  }
}
