/** `model-loader audit`: the auditor's side. */
import { verifyTrail } from "../audit/verify.ts";
import type { TrailReport } from "../audit/verify.ts";
import { parseCommand, UsageError } from "./args.ts";
import { toText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { EXIT } from "./exit.ts";
import { codeOf } from "./jobs.ts";
import { Output } from "./output.ts";
import { didYouMean } from "./suggest.ts";
import { visible } from "./terminal.ts";
import { count, sizeText } from "./units.ts";

const SUBCOMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = { verify };

export async function audit(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const known = Object.keys(SUBCOMMANDS);
  if (name === undefined) throw new UsageError(`audit needs to know what to do: ${known.join(", ")}.`);
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (subcommand === undefined) throw new UsageError(`audit has no command ${visible(name, 80)}.${didYouMean(name, known)}`);
  return subcommand(rest);
}

async function verify(args: readonly string[]): Promise<number> {
  const { flags, names } = parseCommand(args, { flags: ["json"], options: [] });
  const [folder] = names;
  if (folder === undefined || folder === "") throw new UsageError("audit verify needs the name of a folder.");
  if (names.length > 1) throw new UsageError("audit verify checks one trail at a time; run it once for each.");
  return told(folder, new Output(flags.has("json")));
}

async function told(folder: BytePath, output: Output): Promise<number> {
  try {
    const report = await verifyTrail(toText(folder));
    output.result(report, () => reportText(report));
    return report.ok ? EXIT.VERIFIED : EXIT.REFUSED;
  } catch (failure) {
    const { code, message } = unreadable(failure as NodeJS.ErrnoException);
    output.result({ ok: false, dir: toText(folder), code, message }, () => `UNREADABLE  ${visible(toText(folder))}\n  ${code}: ${message}`);
    return EXIT.IO;
  }
}

function unreadable(failure: NodeJS.ErrnoException): { code: string; message: string } {
  const code = codeOf(failure);
  if (code === "NOT_FOUND") return { code, message: "there is no audit trail here: a trail is a folder with a folder named log in it" };
  return { code, message: `the trail could not be read: ${visible(failure.message)}` };
}

function reportText(report: TrailReport): string {
  return [
    `${report.ok ? "intact  " : "TAMPERED"}  ${visible(report.dir)}`,
    ...(report.damage === undefined ? [] : [`  record ${report.damage.seq}, ${report.damage.kind}: ${visible(report.damage.message)}`]),
    `  ${count(report.records, "good record")} in ${count(report.segments, "segment")} (${sizeText(report.bytes)})${spanText(report)}`,
    `  head ${report.head}`,
    ...remarks(report).map((remark) => `  ${remark}`),
    "  Not proven:",
    ...report.notProven.map((sentence) => `  - ${visible(sentence)}`),
  ].join("\n");
}

function spanText({ firstTime, lastTime }: TrailReport): string {
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
