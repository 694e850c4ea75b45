/** `model-loader audit prove`: evidence for one record, in files that are checked without the trail. */
import { writeFileSync } from "node:fs";
import { proveRecord } from "../audit/proof.ts";
import type { RecordProof } from "../audit/proof.ts";
import { TlogError } from "../tlog/errors.ts";
import { parseCommand, UsageError } from "./args.ts";
import { keysOption } from "./audit-keys.ts";
import { oneTrail, unreadableTrail } from "./audit-trail.ts";
import { toText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { EXIT } from "./exit.ts";
import { Output } from "./output.ts";
import { visible } from "./terminal.ts";

interface Ask {
  readonly folder: BytePath;
  readonly seq: number;
  readonly vkeys: string[] | undefined;
  readonly out: string;
  readonly record: string;
}

/** @throws UsageError */
export async function prove(args: readonly string[]): Promise<number> {
  const { flags, options, names } = parseCommand(args, { flags: ["json"], options: ["out", "record", "vkey"] });
  const [folder, number, ...more] = names;
  if (number === undefined || more.length > 0) throw new UsageError("audit prove needs the name of a folder and the number of one record.");
  const seq = seqOf(toText(number));
  const ask: Ask = {
    folder: oneTrail(folder === undefined ? [] : [folder], "prove"),
    seq,
    vkeys: keysOption(options.get("vkey"), "vkey"),
    out: options.get("out") ?? `${seq}.tlog-proof`,
    record: options.get("record") ?? `${seq}.record`,
  };
  return told(ask, new Output(flags.has("json")));
}

function seqOf(text: string): number {
  const seq = Number(text);
  if (/^\d{1,16}$/u.test(text) && Number.isSafeInteger(seq)) return seq;
  throw new UsageError(`SEQ is the number of a record, such as 4711, not ${visible(text, 40)}.`);
}

async function told(ask: Ask, output: Output): Promise<number> {
  const { folder, seq, vkeys } = ask;
  try {
    const made = await proveRecord(toText(folder), seq, vkeys === undefined ? {} : { vkeys });
    if (!output.json) save(ask, made);
    output.result({ ok: true, dir: toText(folder), ...made }, () => savedText(ask, made));
    return EXIT.VERIFIED;
  } catch (failure) {
    if (failure instanceof UsageError) throw failure;
    if (!(failure instanceof TlogError)) return unreadableTrail(folder, failure as NodeJS.ErrnoException, output);
    const { code, message } = failure;
    output.result({ ok: false, dir: toText(folder), seq, code, message }, () => `NOT PROVEN  record ${seq}\n  ${code}: ${visible(message)}`);
    return EXIT.REFUSED;
  }
}

/** With --json both are in the result, and nothing is written. Never over a file: it may be other evidence. */
function save({ out, record }: Ask, made: RecordProof): void {
  for (const [path, content] of [[out, made.proof], [record, made.record]] as const) {
    try {
      writeFileSync(path, content, { flag: "wx", mode: 0o600 });
    } catch (failure) {
      throw new UsageError(`${visible(path)} cannot be written: ${failure instanceof Error ? visible(failure.message) : "unknown"}`);
    }
  }
}

function savedText({ out, record }: Ask, { seq, size, origin }: RecordProof): string {
  return [
    `proven    record ${seq} of ${visible(origin)}, by the checkpoint of ${size} records`,
    `  ${visible(out)}: the proof; ${visible(record)}: the record, byte for byte`,
    `  check it anywhere: model-loader audit check-proof ${visible(out)} ${visible(record)} --vkey VKEY`,
  ].join("\n");
}
