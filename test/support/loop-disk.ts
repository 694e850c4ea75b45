/**
 * A disk in a file, mounted through a loop device, whose power can be cut: what the file system has not handed to the device
 * at that moment is gone. What it has handed over counts as kept, in a device's own cache too: this finds a forgotten sync,
 * not a disk that lies.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, ftruncateSync, mkdirSync, openSync, closeSync, rmSync } from "node:fs";
import { join } from "node:path";
import { locate, unpackDebian, unpackedLibraries } from "./debian.ts";
import type { DebianPackages } from "./debian.ts";

/** The smallest image that each file system agrees to be made in, in bytes. */
const SIZES = { ext4: 24 << 20, xfs: 304 << 20, btrfs: 112 << 20 } as const;

export type FileSystem = keyof typeof SIZES;

/** Programs that make and mount file systems. */
const DISK_TOOLS: DebianPackages = {
  name: "disk-tools",
  packages: ["xfsprogs", "libinih1", "liburcu8", "btrfs-progs", "liblzo2-2", "bindfs", "libfuse2"],
  probe: "sbin/mkfs.xfs",
};

/** Has them fetched in a CI run that lacks them; what is missing after that is a reason to skip. */
export async function prepareDiskTools(): Promise<void> {
  const missing = ["mkfs.xfs", "mkfs.btrfs", "bindfs"].filter((program) => locate(program, DISK_TOOLS.name) === undefined);
  if (missing.length > 0) await unpackDebian(DISK_TOOLS);
}

export class LoopDisk {
  readonly folder: string;
  readonly #image: string;

  private constructor(image: string, folder: string) {
    this.#image = image;
    this.folder = folder;
  }

  /** An empty file system in `home`, to be copied for each trial; or the reason why there is none. */
  static format(home: string, kind: FileSystem, bytes: number = SIZES[kind]): string | { readonly image: string } {
    const image = join(home, `${kind}.img`);
    const fd = openSync(image, "w");
    ftruncateSync(fd, bytes);
    closeSync(fd);
    const made = run(`mkfs.${kind}`, ["-q", image]);
    if (made !== undefined) return `mkfs.${kind}: ${made}`;
    const probe = LoopDisk.#mount(image, join(home, `${kind}-probe`));
    if (typeof probe === "string") return probe;
    probe.unmount();
    return { image };
  }

  static copyOf(image: string, home: string, name: string): LoopDisk {
    const copy = join(home, `${name}.img`);
    sparseCopy(image, copy);
    return LoopDisk.#mounted(copy, join(home, name));
  }

  /** The disk as it would be found when the power went now. Whoever writes on it must be stopped. */
  cut(home: string, name: string): { mount(): LoopDisk } {
    const copy = join(home, `${name}.img`);
    // The file system's own threads may write at any time: only a copy that the disk still equals is one moment's.
    do sparseCopy(this.#image, copy);
    while (spawnSync("cmp", ["-s", this.#image, copy]).status !== 0);
    return { mount: () => LoopDisk.#mounted(copy, join(home, name)) };
  }

  remove(): void {
    this.unmount();
    rmSync(this.#image, { force: true });
  }

  unmount(): void {
    run("umount", [this.folder]);
  }

  static #mounted(image: string, folder: string): LoopDisk {
    const disk = LoopDisk.#mount(image, folder);
    if (typeof disk === "string") throw new Error(disk);
    return disk;
  }

  static #mount(image: string, folder: string): LoopDisk | string {
    mkdirSync(folder, { recursive: true });
    const failed = run("mount", ["-o", "loop", image, folder]);
    return failed === undefined ? new LoopDisk(image, folder) : `mount: ${failed}`;
  }
}

function sparseCopy(from: string, to: string): void {
  const failed = run("cp", ["--sparse=always", from, to]);
  if (failed !== undefined) copyFileSync(from, to);
}

/** Runs an installed or unpacked program. What went wrong, if something did. */
export function run(command: string, args: readonly string[]): string | undefined {
  const program = locate(command, DISK_TOOLS.name) ?? command;
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, ...unpackedLibraries(DISK_TOOLS.name) } });
  if (status === 0) return undefined;
  return error?.message ?? stderr.trim();
}
