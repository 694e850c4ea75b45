/** The file operations of the trail, so that a test can make any of them fail. */
import * as fs from "node:fs";

export type AuditFs = Pick<
  typeof fs,
  | "openSync" | "closeSync" | "readSync" | "writeSync" | "fdatasyncSync" | "fdatasync" | "fsyncSync"
  | "fstatSync" | "lstatSync" | "mkdirSync" | "readdirSync" | "unlinkSync" | "statfsSync"
>;

export const NODE_FS: AuditFs = fs;

/** A name is durable only when the folder that holds it has been synced. */
export function syncFolder(files: AuditFs, folder: string): void {
  const fd = files.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    files.fsyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
}
