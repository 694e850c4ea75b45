/**
 * What a trail's tree is called, and where the trees lie that were given up.
 *
 * A log must never sign two histories under one name. So where a trail is continued by force although it is not the one that was
 * signed, the old checkpoint and its tiles move to `superseded/<n>`, and the new tree has another name: the trail's origin with
 * `/anew-<n>` behind it. The same key then makes another verifier key, because a key's id covers its name: whoever knows the old
 * verifier key sees at once that it no longer fits, and a witness that knows the old log does not take the new one for it.
 */
import { join } from "node:path";
import { syncFolderSync } from "../tlog/whole-file.ts";
import { isMissing } from "../tlog/tlog-fs.ts";
import type { TlogFs } from "../tlog/tlog-fs.ts";

const SUPERSEDED = "superseded";
/** In this order: while the checkpoint is there, the old tree still counts. */
const OF_A_TREE = ["tile", "vkey", "checkpoint"] as const;
const NUMBER = /^[1-9]\d{0,8}$/;

export function treeName(origin: string, superseded: number): string {
  return superseded === 0 ? origin : `${origin}/anew-${superseded}`;
}

/** The trail's origin, from the name of its tree. */
export function baseOrigin(name: string): string {
  return name.replace(/\/anew-[1-9]\d{0,8}$/, "");
}

export function supersededFolder(folder: string, n: number): string {
  return join(folder, SUPERSEDED, String(n));
}

/** How many trees were given up. */
export function supersededCount(fs: Pick<TlogFs, "readdirSync">, folder: string): number {
  return namesIn(fs, join(folder, SUPERSEDED)).filter((name) => NUMBER.test(name)).reduce((most, name) => Math.max(most, Number(name)), 0);
}

/** Moves the tree aside; nothing of it is deleted. */
export function supersede(fs: TlogFs, folder: string, n: number): void {
  const aside = supersededFolder(folder, n);
  fs.mkdirSync(aside, { recursive: true, mode: 0o700 });
  const present = namesIn(fs, folder);
  for (const name of OF_A_TREE) if (present.includes(name)) fs.renameSync(join(folder, name), join(aside, name));
  for (const path of [aside, join(folder, SUPERSEDED), folder]) syncFolderSync(fs, path);
}

function namesIn(fs: Pick<TlogFs, "readdirSync">, folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (failure) {
    if (isMissing(failure)) return [];
    throw failure;
  }
}
