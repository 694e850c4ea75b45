/** `model-loader audit`: the auditor's side. */
import { UsageError } from "./args.ts";
import { didYouMean } from "./suggest.ts";
import { visible } from "./terminal.ts";

type Subcommand = (args: readonly string[]) => Promise<number>;

/** Loaded when called: each reads no more than it needs. */
export const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  verify: async (args) => (await import("./audit-verify.ts")).verify(args),
  prove: async (args) => (await import("./audit-prove.ts")).prove(args),
  "check-proof": async (args) => (await import("./audit-check-proof.ts")).checkProofCommand(args),
  "rotate-key": async (args) => (await import("./audit-rotate-key.ts")).rotateKey(args),
  query: async (args) => (await import("./audit-query.ts")).query(args),
  export: async (args) => (await import("./audit-export.ts")).exportTrail(args),
};

export async function audit(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const known = Object.keys(SUBCOMMANDS);
  if (name === undefined) throw new UsageError(`audit needs to know what to do: ${known.join(", ")}.`);
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (subcommand === undefined) throw new UsageError(`audit has no command ${visible(name, 80)}.${didYouMean(name, known)}`);
  return subcommand(rest);
}
