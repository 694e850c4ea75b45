/** What the auditor's commands have in common: the name of one trail, and what to say where there is none. */
import { UsageError } from "./args.ts";
import { toText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { EXIT } from "./exit.ts";
import { codeOf } from "./jobs.ts";
import type { Output } from "./output.ts";
import { visible } from "./terminal.ts";

/** @throws UsageError where there is not exactly one name */
export function oneTrail(names: readonly BytePath[], command: string): BytePath {
  const [folder] = names;
  if (folder === undefined || folder === "") throw new UsageError(`audit ${command} needs the name of a folder.`);
  if (names.length > 1) throw new UsageError(`audit ${command} takes one trail at a time; run it once for each.`);
  return folder;
}

/** Tells why a trail could not be read, and returns the exit code for that. */
export function unreadableTrail(folder: BytePath, failure: NodeJS.ErrnoException, output: Output): number {
  const { code, message } = unreadable(failure);
  output.result({ ok: false, dir: toText(folder), code, message }, () => `UNREADABLE  ${visible(toText(folder))}\n  ${code}: ${message}`);
  return EXIT.IO;
}

function unreadable(failure: NodeJS.ErrnoException): { code: string; message: string } {
  const code = codeOf(failure);
  if (code === "NOT_FOUND") return { code, message: "there is no audit trail here: a trail is a folder with a folder named log in it" };
  return { code, message: `the trail could not be read: ${visible(failure.message)}` };
}
