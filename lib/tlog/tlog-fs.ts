/** The file operations of a published tree, so that a test can make any of them fail. */
import * as fs from "node:fs";

export type TlogFs =
  & Pick<
    typeof fs,
    | "openSync" | "closeSync" | "readFileSync" | "writeFileSync" | "fdatasyncSync" | "fsyncSync" | "fstatSync"
    | "mkdirSync" | "renameSync" | "rmSync" | "linkSync" | "readdirSync"
  >
  & { readonly promises: Pick<typeof fs.promises, "open" | "mkdir" | "rename" | "rm"> };

export const NODE_TLOG_FS: TlogFs = fs;

export function isMissing(failure: unknown): boolean {
  return failure instanceof Error && (failure as NodeJS.ErrnoException).code === "ENOENT";
}

/** The whole file, or undefined where there is none. A symbolic link is refused: it could name any file. */
export function readFileIfAny(files: Pick<TlogFs, "openSync" | "readFileSync" | "closeSync">, path: string): Buffer | undefined {
  const fd = openIfAny(files, path);
  if (fd === undefined) return undefined;
  try {
    return files.readFileSync(fd);
  } finally {
    files.closeSync(fd);
  }
}

function openIfAny(files: Pick<TlogFs, "openSync">, path: string): number | undefined {
  try {
    return files.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  } catch (failure) {
    if (isMissing(failure)) return undefined;
    throw failure;
  }
}
