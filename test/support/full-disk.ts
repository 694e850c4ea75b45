/** A disk of one megabyte, made by the kernel: full means ENOSPC, not a double's word for it. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export interface SmallDisk {
  /** Writes until nothing more fits. */
  fill(): void;
  /** Gives the space back. */
  free(): void;
}

/** Mounts the disk at `folder`, or returns undefined where that is not allowed. */
export function mountFull(folder: string): SmallDisk | undefined {
  mkdirSync(folder, { recursive: true });
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", folder]).status !== 0) return undefined;
  onTestFinished(() => { spawnSync("umount", ["-l", folder]); });
  const ballast = join(folder, "ballast");
  return { fill: () => { fillUp(ballast); }, free: () => { rmSync(ballast); } };
}

function fillUp(path: string): void {
  const fd = openSync(path, "w");
  try {
    for (const block of [65536, 4096, 1]) writeUntilFull(fd, Buffer.alloc(block));
  } finally {
    closeSync(fd);
  }
}

function writeUntilFull(fd: number, block: Uint8Array): void {
  try {
    for (;;) writeSync(fd, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}
