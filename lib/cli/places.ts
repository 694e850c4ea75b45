/**
 * Where a path from the command line points: a root folder, and the path that goes to the loader.
 *
 * This only decides how a person meant a path. Whether it stays in the root is for the loader to judge, at the
 * moment it opens the file; a path that leaves the root is handed on as it is, so that the escape is recorded.
 */
import { realpathSync, statSync } from "node:fs";
import { posix } from "node:path";
import { fromText, isText, toBytes, under } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";

export interface Place {
  readonly root: BytePath;
  /** Relative to the root, or as given where it does not lie there. */
  readonly path: BytePath;
  /** Set where the place is a folder that lies in the root: the folder to look for models in. */
  readonly folder?: BytePath;
}

const HERE = fromText(".");

/** Without --root a file's own folder is its root, and a folder is its own. */
export function ownPlace(given: BytePath): Place {
  const folder = isFolder(given) ? given : undefined;
  let root = folder === undefined ? parentOf(given) : slashed(folder);
  // The nearest ancestor that exists: a missing folder is then a missing file in it, and is recorded as one.
  // Roots cross into the library as text, so a folder whose name is none becomes part of the path.
  while (root !== "" && root !== "/" && !(isText(root) && isFolder(root))) root = parentOf(root.slice(0, -1) as BytePath);
  const path = given.slice(root.length) as BytePath;
  const place = { root: root === "" ? HERE : root, path };
  return folder === undefined ? place : { ...place, path: path === "" ? HERE : path, folder };
}

/**
 * With --root a path is taken from the current folder, as shells do, when that leads into the root; otherwise it
 * is taken from the root.
 */
export function placeInRoot(rootText: string, given: BytePath, cwd: BytePath): Place {
  const root = fromText(rootText);
  const real = realPath(root) ?? (posix.resolve(cwd, root) as BytePath);
  const fromCwd = given.startsWith("/") ? given : under(cwd, given);
  const inside = beneath(real, physical(fromCwd)) ?? beneath(real, fromCwd) ?? beneath(posix.resolve(cwd, root) as BytePath, fromCwd);
  const path = given === "" ? given : (inside ?? given);
  return { root, path, ...folderAt(real, path) };
}

/** A folder is searched only where it really lies: a link out of the root is the loader's to refuse. */
function folderAt(real: BytePath, path: BytePath): { folder?: BytePath } {
  if (path === "" || path.startsWith("/")) return {};
  const folder = under(real, path);
  const landed = realPath(folder);
  return landed !== undefined && beneath(real, landed) !== undefined && isFolder(folder) ? { folder } : {};
}

/** The path with the folders before its last name resolved; a final link stays, for the loader to judge. */
function physical(path: BytePath): BytePath | undefined {
  const name = posix.basename(path);
  if (name === ".." || name === "." || name === "") return realPath(path);
  const parent = realPath(posix.dirname(path) as BytePath);
  return parent === undefined ? undefined : under(parent, name as BytePath);
}

function beneath(folder: BytePath, path: BytePath | undefined): BytePath | undefined {
  if (path === undefined) return undefined;
  if (path === folder) return HERE;
  const prefix = slashed(folder);
  return path.startsWith(prefix) ? (path.slice(prefix.length) as BytePath) : undefined;
}

/** Up to and with the last slash; empty for a bare name. */
function parentOf(path: BytePath): BytePath {
  return path.slice(0, path.lastIndexOf("/") + 1) as BytePath;
}

function slashed(folder: BytePath): BytePath {
  return (folder.endsWith("/") ? folder : `${folder}/`) as BytePath;
}

function realPath(path: BytePath): BytePath | undefined {
  try {
    return realpathSync.native(toBytes(path), { encoding: "latin1" }) as BytePath;
  } catch {
    // Missing or unreadable: the loader will say which.
    return undefined;
  }
}

function isFolder(path: BytePath): boolean {
  try {
    return statSync(toBytes(path)).isDirectory();
  } catch {
    // As above: what cannot be looked at is not searched.
    return false;
  }
}
