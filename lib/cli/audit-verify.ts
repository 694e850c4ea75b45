/** `model-loader audit verify`: is a trail whole? */
import { verifyTrail } from "../audit/verify.ts";
import type { CheckpointReport, TrailReport, VerifyOptions } from "../audit/verify.ts";
import { parseCommand, UsageError } from "./args.ts";
import { keysOption, smallFile } from "./audit-keys.ts";
import { oneTrail, unreadableTrail } from "./audit-trail.ts";
import { toText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { EXIT } from "./exit.ts";
import { Output } from "./output.ts";
import { visible } from "./terminal.ts";
import { count, sizeText } from "./units.ts";

const TRAIL_OPTIONS = ["vkey", "witness", "since"] as const;
/** Where the trail's copy lies that arrived elsewhere. */
export const CENTRAL_OPTIONS = ["stream", "stream-name", "origin", "creds", "ca"] as const;

/** @throws UsageError */
export async function verify(args: readonly string[]): Promise<number> {
  const { flags, options, names } = parseCommand(args, { flags: ["json"], options: [...TRAIL_OPTIONS, ...CENTRAL_OPTIONS] });
  const central = CENTRAL_OPTIONS.find((option) => options.has(option));
  if (options.has("stream")) return (await import("./audit-verify-central.ts")).verifyStream(options, names, flags.has("json"));
  if (central !== undefined) throw new UsageError(`--${central} goes with --stream.`);
  const since = options.get("since");
  const asked = {
    vkeys: keysOption(options.get("vkey"), "vkey"),
    witnesses: keysOption(options.get("witness"), "witness"),
    since: since === undefined ? undefined : smallFile(since, "--since"),
  };
  return told(oneTrail(names, "verify"), present(asked), new Output(flags.has("json")));
}

function present({ vkeys, witnesses, since }: { [K in keyof VerifyOptions]: VerifyOptions[K] | undefined }): VerifyOptions {
  return { ...(vkeys === undefined ? {} : { vkeys }), ...(witnesses === undefined ? {} : { witnesses }), ...(since === undefined ? {} : { since }) };
}

async function told(folder: BytePath, options: VerifyOptions, output: Output): Promise<number> {
  try {
    const report = await verifyTrail(toText(folder), options);
    output.result(report, () => reportText(report));
    return report.ok ? EXIT.VERIFIED : EXIT.REFUSED;
  } catch (failure) {
    if (failure instanceof TypeError) throw new UsageError(failure.message);
    return unreadableTrail(folder, failure as NodeJS.ErrnoException, output);
  }
}

export function reportText(report: TrailReport): string {
  return [
    `${report.ok ? "intact  " : "TAMPERED"}  ${visible(report.dir)}`,
    ...(report.damage === undefined ? [] : [`  record ${report.damage.seq}, ${report.damage.kind}: ${visible(report.damage.message)}`]),
    `  ${count(report.records, "good record")} in ${count(report.segments, "segment")} (${sizeText(report.bytes)})${spanText(report)}`,
    `  head ${report.head}`,
    ...(report.checkpoint === undefined ? [] : checkpointText(report.checkpoint).map((line) => `  ${line}`)),
    ...remarks(report).map((remark) => `  ${remark}`),
    "  Not proven:",
    ...report.notProven.map((sentence) => `  - ${visible(sentence)}`),
  ].join("\n");
}

function checkpointText({ origin, size, keyIds, keysFrom, witnessed }: CheckpointReport): string[] {
  return [
    `checkpoint of ${count(size, "record")} of ${visible(origin)}, signed by ${keyIds.join(" and ")} (${keysFrom === "caller" ? "the key you gave" : "a key in this folder"})`,
    ...witnessed.map(({ name, unixSeconds }) => `seen by ${visible(name)} at ${new Date(unixSeconds * 1000).toISOString()}`),
  ];
}

export function spanText({ firstTime, lastTime }: Pick<TrailReport, "firstTime" | "lastTime">): string {
  return firstTime === undefined || lastTime === undefined ? "" : `, from ${visible(firstTime, 40)} to ${visible(lastTime, 40)}`;
}

function remarks({ origin, recovered, closed, otherFiles }: TrailReport): string[] {
  return [
    ...(origin === undefined ? [] : [`origin ${visible(origin)}`]),
    ...(closed ? [] : ["not closed in order: a writer is at work, or it died"]),
    ...(recovered === 0 ? [] : [`${count(recovered, "unfinished end")} of earlier runs, each described by a later record`]),
    ...(otherFiles.length === 0 ? [] : [`files that are no segments, not read: ${otherFiles.slice(0, 5).map((name) => visible(name)).join(", ")}`]),
  ];
}
