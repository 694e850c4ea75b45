/** The trail's folder: made where it is missing, refused where it is not ours alone to write. */
import { constants } from "node:fs";
import type { Stats } from "node:fs";
import { dirname, join } from "node:path";
import { AuditWriteError, codeOf, messageOf } from "./errors.ts";
import type { AuditFs } from "./files.ts";
import { syncFolder } from "./files.ts";
import { bySequence, parseSegmentName } from "./segment-name.ts";
import type { SegmentName } from "./segment-name.ts";

const WRITABLE_BY_OTHERS = constants.S_IWGRP | constants.S_IWOTH;

export interface TrailFolder {
  readonly folder: string;
  readonly log: string;
  readonly lock: string;
}

export function placesIn(folder: string): TrailFolder {
  return { folder, log: join(folder, "log"), lock: join(folder, "lock") };
}

/** `folder` must be absolute. Parents are made too. */
export function prepareFolder(fs: AuditFs, folder: string): TrailFolder {
  const places = placesIn(folder);
  for (const path of [folder, places.log]) {
    make(fs, path);
    judge(path, look(fs, path));
  }
  return places;
}

/** Segments in the order in which they were written; other files are none of the trail's. */
export function listSegments(fs: Pick<AuditFs, "readdirSync">, log: string): SegmentName[] {
  const names = fs.readdirSync(log).map(parseSegmentName);
  return names.filter((name) => name !== undefined).sort(bySequence);
}

/** Parents first, one by one: Node's recursive way reports a read-only disk as a missing folder. */
function make(fs: AuditFs, path: string): void {
  if (look(fs, path) !== undefined) return;
  make(fs, dirname(path));
  try {
    fs.mkdirSync(path, { mode: 0o700 });
    syncFolder(fs, dirname(path));
  } catch (failure) {
    if (codeOf(failure) === "EEXIST") return;
    const what = codeOf(failure) === "ENOTDIR" ? "a part of its path is a file" : messageOf(failure);
    throw new AuditWriteError("folder", `the audit folder ${path} cannot be made: ${what}`, failure);
  }
}

function look(fs: AuditFs, path: string): Stats | undefined {
  try {
    return fs.lstatSync(path, { throwIfNoEntry: false });
  } catch (failure) {
    const what = codeOf(failure) === "ENOTDIR" ? "a part of its path is a file" : messageOf(failure);
    throw new AuditWriteError("folder", `the audit folder ${path} cannot be reached: ${what}`, failure);
  }
}

function judge(path: string, found: Stats | undefined): void {
  const wrong = found === undefined ? "vanished while it was opened" : wrongWith(found);
  if (wrong !== undefined) throw new AuditWriteError("folder", `the audit folder ${path} ${wrong}`);
}

/** Whoever else can write the folder can replace the trail under its writer. */
function wrongWith(found: Stats): string | undefined {
  if (found.isSymbolicLink()) return "is a symbolic link; name the folder that it points to";
  if (!found.isDirectory()) return "is not a folder";
  const me = process.geteuid?.();
  if (me !== undefined && found.uid !== me) return `belongs to user ${found.uid}, and this process runs as ${me}; give it a folder of its own`;
  if ((found.mode & WRITABLE_BY_OTHERS) !== 0) return `can be written by others (mode ${(found.mode & 0o777).toString(8)}); run: chmod go-w on it`;
  return undefined;
}
