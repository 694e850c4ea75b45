/**
 * Files that are either not there or complete and durable: written under another name, synced, renamed, and their folders
 * synced. Here at once, for the end of a process; `TlogFs.storeFiles` does the same on a thread of its own.
 */
import { constants } from "node:fs";
import { dirname } from "node:path";
import type { TlogFs, WholeFile } from "./tlog-fs.ts";

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY, O_RDONLY, O_DIRECTORY } = constants;
/** A file that a crash left half-written is overwritten by the next try. */
const NEW = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** The two ways never share a half-written file. */
const AT_ONCE = ".sync-tmp";
const LATER = ".tmp";

export function writeFilesSync(fs: TlogFs, files: readonly WholeFile[]): void {
  const made = foldersOf(files).flatMap((folder) => makeFolderSync(fs, folder));
  for (const { path, content } of files) {
    writeSync(fs, path + AT_ONCE, content);
    fs.renameSync(path + AT_ONCE, path);
  }
  for (const folder of toSync(files, made)) syncFolderSync(fs, folder);
}

/** All the slow steps but one of replacing a file; what is returned puts it in place, at once, if the caller still wants that. */
export async function prepareFile(fs: TlogFs, { path, content }: WholeFile): Promise<() => void> {
  await write(fs, path + LATER, content);
  return () => { fs.renameSync(path + LATER, path); };
}

function writeSync(fs: TlogFs, path: string, content: Uint8Array): void {
  const fd = fs.openSync(path, NEW, FILE_MODE);
  try {
    fs.writeFileSync(fd, content);
    fs.fdatasyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

async function write(fs: TlogFs, path: string, content: Uint8Array): Promise<void> {
  const file = await fs.promises.open(path, NEW, FILE_MODE);
  try {
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
}

export function syncFolderSync(fs: TlogFs, folder: string): void {
  const fd = fs.openSync(folder, O_RDONLY | O_DIRECTORY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

export async function syncFolder(fs: TlogFs, folder: string): Promise<void> {
  const file = await fs.promises.open(folder, O_RDONLY | O_DIRECTORY);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function makeFolderSync(fs: TlogFs, folder: string): string[] {
  return newFolders(folder, fs.mkdirSync(folder, { recursive: true, mode: FOLDER_MODE }));
}

/** From `folder` up to the first one that had to be made. */
function newFolders(folder: string, first: string | undefined): string[] {
  if (first === undefined) return [];
  return folder.length <= first.length ? [folder] : [folder, ...newFolders(dirname(folder), first)];
}

function foldersOf(files: readonly WholeFile[]): string[] {
  return [...new Set(files.map(({ path }) => dirname(path)))];
}

/** A name is durable when the folder that holds it is synced: folders of files, and parents of new folders. */
function toSync(files: readonly WholeFile[], made: readonly string[]): Set<string> {
  return new Set([...foldersOf(files), ...made.map((folder) => dirname(folder))]);
}
