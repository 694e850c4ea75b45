/** File systems of every kind that the machine lets us mount, for what differs between them. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { LoopDisk, run } from "./loop-disk.ts";
import type { FileSystem } from "./loop-disk.ts";

export type MountKind = FileSystem | "tmpfs" | "overlay" | "fuse";

/** Sparse, and room for the models of all tests in Rust at once. */
const IMAGE_BYTES = 320 << 20;

export interface Mount {
  readonly folder: string;
  remove(): void;
}

/** An empty file system below `home`, or the reason why there is none. */
export function mount(kind: MountKind, home: string): Mount | string {
  if (kind === "tmpfs") return mounted(home, (folder) => run("mount", ["-t", "tmpfs", "-o", "size=320m", "tmpfs", folder]));
  if (kind === "fuse") return mounted(home, (folder) => run("bindfs", [sub(home, "behind"), folder]));
  if (kind === "overlay") return overlay(home);
  const formatted = LoopDisk.format(home, kind, IMAGE_BYTES);
  return typeof formatted === "string" ? formatted : LoopDisk.copyOf(formatted.image, home, "disk");
}

/** On a tmpfs of its own: not every file system can be an upper layer. */
function overlay(home: string): Mount | string {
  const below = mount("tmpfs", sub(home, "layers"));
  if (typeof below === "string") return below;
  const [lower, upper, work] = ["lower", "upper", "work"].map((name) => sub(below.folder, name));
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  const made = mounted(home, (folder) => run("mount", ["-t", "overlay", "-o", options, "overlay", folder]));
  if (typeof made !== "string") return { folder: made.folder, remove: () => { made.remove(); below.remove(); } };
  below.remove();
  return made;
}

function mounted(home: string, attempt: (folder: string) => string | undefined): Mount | string {
  const folder = sub(home, "mounted");
  return attempt(folder) ?? { folder, remove: () => { run("umount", ["-l", folder]); } };
}

function sub(home: string, name: string): string {
  const folder = join(home, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
