/** `model-loader audit check-proof`: is this record in that log? Needs two files and a key, no trail and no network. */
import { checkProof } from "../audit/proof.ts";
import type { CheckedProof } from "../audit/proof.ts";
import { TlogError } from "../tlog/errors.ts";
import { parseCommand, UsageError } from "./args.ts";
import { keysOption, smallFile } from "./audit-keys.ts";
import { toText } from "./byte-path.ts";
import { EXIT } from "./exit.ts";
import { Output } from "./output.ts";
import { visible } from "./terminal.ts";

/** @throws UsageError */
export function checkProofCommand(args: readonly string[]): Promise<number> {
  const { flags, options, names } = parseCommand(args, { flags: ["json"], options: ["vkey", "witness"] });
  const [proof, record, ...more] = names.map(toText);
  if (proof === undefined || record === undefined || more.length > 0) throw new UsageError("audit check-proof needs a proof and the record that it is about.");
  const vkeys = keysOption(options.get("vkey"), "vkey");
  if (vkeys === undefined) throw new UsageError("audit check-proof needs the log's verifier key: --vkey KEY, or the name of a file that holds it. It should not come with the proof.");
  const witnesses = keysOption(options.get("witness"), "witness") ?? [];
  return Promise.resolve(told(smallFile(proof, "the proof"), smallFile(record, "the record"), { vkeys, witnesses }, new Output(flags.has("json"))));
}

function told(proof: string, record: string, keys: { vkeys: string[]; witnesses: string[] }, output: Output): number {
  try {
    const checked = checkProof(proof, record, keys);
    output.result({ ok: true, ...checked }, () => checkedText(checked));
    return EXIT.VERIFIED;
  } catch (failure) {
    if (!(failure instanceof TlogError)) throw failure;
    const { code, message } = failure;
    output.result({ ok: false, code, message }, () => `NOT PROVEN\n  ${code}: ${visible(message)}`);
    return EXIT.REFUSED;
  }
}

function checkedText({ seq, origin, size, witnessed }: CheckedProof): string {
  return [
    `proven    this is record ${seq} of ${visible(origin)}, by a checkpoint of ${size} records`,
    ...witnessed.map(({ name, unixSeconds }) => `  seen by ${visible(name)} at ${new Date(unixSeconds * 1000).toISOString()}`),
    ...(witnessed.length > 0 ? [] : ["  no witness was asked for: whoever holds the log's key could have signed another history too"]),
  ].join("\n");
}
