/** The file operations of a published tree, so that a test can make any of them fail. */
import * as fs from "node:fs";
import { systemError } from "../system-error.ts";
import { TlogError } from "./errors.ts";

/** A file that is to be there whole. */
export interface WholeFile {
  readonly path: string;
  readonly content: Uint8Array;
}

export type TlogFs =
  & Pick<
    typeof fs,
    | "openSync" | "closeSync" | "readFileSync" | "writeFileSync" | "fdatasyncSync" | "fsyncSync" | "fstatSync"
    | "mkdirSync" | "renameSync" | "rmSync" | "linkSync" | "readdirSync"
  >
  & {
    readonly promises: Pick<typeof fs.promises, "open" | "rm">;
    /** Puts files in place, each complete and durable, and makes the folders that they lack. Rejects with the first failure; those before it may be there. */
    readonly storeFiles: (files: readonly WholeFile[]) => Promise<void>;
  };

export const NODE_TLOG_FS: TlogFs = { ...fs, storeFiles };

/** In one native call on a thread of its own: one step after the other on the thread pool would cost more than the records they are for. */
async function storeFiles(files: readonly WholeFile[]): Promise<void> {
  // Loaded only where a tree is written, so that one can be verified without the addon.
  const { native } = await import("../native.ts");
  const failure = await native.storeFiles(files);
  if (failure !== null) throw systemError(failure);
}

export function isMissing(failure: unknown): boolean {
  return failure instanceof Error && (failure as NodeJS.ErrnoException).code === "ENOENT";
}

/** The largest file of a published tree is a signed note. */
const FILE_BYTES_MAX = 1_048_576;

type ReadFs = Pick<TlogFs, "openSync" | "fstatSync" | "readFileSync" | "closeSync">;

/**
 * The whole file, or undefined where there is none. What is no plain file of fitting size is refused with a TlogError: a link could
 * name any file, and a pipe has no end.
 */
export function readFileIfAny(files: ReadFs, path: string): Buffer | undefined {
  const fd = openIfAny(files, path);
  if (fd === undefined) return undefined;
  try {
    const found = files.fstatSync(fd);
    if (!found.isFile() || found.size > FILE_BYTES_MAX) throw new TlogError("MALFORMED", `${path} is no file of a published tree: it is larger than ${FILE_BYTES_MAX} bytes, or no file at all`);
    return files.readFileSync(fd);
  } finally {
    files.closeSync(fd);
  }
}

function openIfAny(files: Pick<TlogFs, "openSync">, path: string): number | undefined {
  try {
    // Without waiting: a pipe of that name has no end.
    return files.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
  } catch (failure) {
    const code = failure instanceof Error ? (failure as NodeJS.ErrnoException).code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "ELOOP") throw new TlogError("MALFORMED", `${path} is a symbolic link (ELOOP), which is not followed`, failure);
    throw failure;
  }
}
