/** The models in a folder: every *.gguf below it, in the order of their bytes. */
import { readdir } from "node:fs/promises";
import type { Dirent } from "node:fs";
import { fromBytes, toBytes, under } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";

/** What a walk comes upon: a model, or a folder that could not be read. */
export interface Found {
  /** Relative to the folder where the walk began. */
  readonly path: BytePath;
  readonly unreadable?: NodeJS.ErrnoException;
}

/**
 * Links to folders are not followed: they may lead out of the root or round in a circle, and what they lead to
 * inside the root is met on its own way. A link that is named like a model is handed on for the loader to judge.
 */
export async function* modelsIn(folder: BytePath, below = "" as BytePath): AsyncGenerator<Found> {
  const entries = await entriesOf(under(folder, below));
  if (entries instanceof Error) {
    yield { path: below, unreadable: entries };
    return;
  }
  for (const { name, isFolder } of entries) {
    const path = under(below, name);
    if (isFolder) yield* modelsIn(folder, path);
    else if (/\.gguf$/iu.test(name)) yield { path };
  }
}

interface Entry {
  readonly name: BytePath;
  readonly isFolder: boolean;
}

async function entriesOf(folder: BytePath): Promise<Entry[] | NodeJS.ErrnoException> {
  try {
    const entries: Dirent<Buffer>[] = await readdir(toBytes(folder), { withFileTypes: true, encoding: "buffer" });
    return entries.map((entry) => ({ name: fromBytes(entry.name), isFolder: entry.isDirectory() })).sort(byBytes);
  } catch (failure) {
    return failure as NodeJS.ErrnoException;
  }
}

function byBytes(a: Entry, b: Entry): number {
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}
