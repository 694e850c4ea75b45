/**
 * A disk that is read ahead by 128 KiB, as the kernel does unless it is told otherwise. Many hosts are told otherwise, and this
 * machine's disk cannot be told for the length of a benchmark: others read from it. So it is a file on that disk, through a
 * loop device, which takes root.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const READAHEAD_KB = 128;
/** Room for the file system's own. */
const SPARE_BYTES = 200 * 2 ** 20;

export class OrdinaryDisk {
  #image;
  #device;

  /** Undefined where there can be none, with the reason on standard error. */
  static tryMake(home, bytes) {
    const disk = new OrdinaryDisk(join(home, "disk.img"), join(home, "disk"));
    try {
      disk.#mount(bytes + SPARE_BYTES);
      return disk;
    } catch (error) {
      console.error(`skipped: no disk with the kernel's own readahead: ${error.message}`);
      disk.remove();
      return undefined;
    }
  }

  constructor(image, folder) {
    this.#image = image;
    this.folder = folder;
  }

  #mount(bytes) {
    run("fallocate", ["-l", String(bytes), this.#image]);
    run("mkfs.ext4", ["-q", "-F", this.#image]);
    this.#device = run("losetup", ["--find", "--show", "--direct-io=on", this.#image]).trim();
    mkdirSync(this.folder);
    run("mount", [this.#device, this.folder]);
    writeFileSync(`/sys/block/${basename(this.#device)}/queue/read_ahead_kb`, String(READAHEAD_KB));
  }

  remove() {
    spawnSync("umount", [this.folder]);
    if (this.#device !== undefined) spawnSync("losetup", ["--detach", this.#device]);
    rmSync(this.#image, { force: true });
  }
}

/** How far the kernel reads ahead in this file, in KiB. */
export function readAheadKb(path) {
  const { dev } = statSync(path);
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  try {
    return Number(readFileSync(`/sys/class/bdi/${major}:${minor}/read_ahead_kb`, "latin1"));
  } catch {
    return Number.NaN;
  }
}

function run(command, args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}
