/** `model-loader audit rotate-key`: a new key signs the trail's checkpoints, beside the old one. */
import { AuditLog } from "../audit/log.ts";
import { AuditWriteError } from "../audit/errors.ts";
import { vkeysIn } from "../audit/trust.ts";
import { placesIn } from "../audit/folder.ts";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseCommand } from "./args.ts";
import { oneTrail, unreadableTrail } from "./audit-trail.ts";
import { toText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { EXIT } from "./exit.ts";
import { Output } from "./output.ts";
import { visible } from "./terminal.ts";

/** @throws UsageError */
export async function rotateKey(args: readonly string[]): Promise<number> {
  const { flags, options, names } = parseCommand(args, { flags: ["json"], options: ["key"] });
  const folder = oneTrail(names, "rotate-key");
  const output = new Output(flags.has("json"));
  const key = options.get("key");
  // Opening would begin a trail where there is none.
  if (!existsSync(placesIn(resolve(toText(folder))).log)) return unreadableTrail(folder, Object.assign(new Error("ENOENT"), { code: "ENOENT" }), output);
  return rotated(folder, key, output);
}

async function rotated(folder: BytePath, key: string | undefined, output: Output): Promise<number> {
  const dir = toText(folder);
  try {
    const log = await AuditLog.open(dir, { checkpoints: { rotateKey: true, ...(key === undefined ? {} : { signingKey: key }) } });
    await log[Symbol.asyncDispose]();
  } catch (failure) {
    if (!(failure instanceof AuditWriteError)) throw failure;
    output.result({ ok: false, dir, code: failure.code, reason: failure.reason, message: failure.message }, () => `NOT CHANGED  ${visible(dir)}\n  ${visible(failure.message)}`);
    return EXIT.AUDIT;
  }
  const vkeys = vkeysIn(resolve(dir)) ?? [];
  output.result({ ok: true, dir, vkeys }, () => changedText(dir, key ?? `${dir}/key.pem`, vkeys));
  return EXIT.VERIFIED;
}

function changedText(dir: string, key: string, [current = "", old = ""]: readonly string[]): string {
  return [
    `changed   ${visible(dir)}`,
    `  new key  ${visible(current)}`,
    `  old key  ${visible(old)}`,
    `  Both sign from now on. Give the new key to all who check; then remove ${visible(key)}.previous.`,
  ].join("\n");
}
