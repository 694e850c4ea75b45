/** What an `inspect` command line asks for. */
import { parseCommand, UsageError } from "./args.ts";
import type { BytePath } from "./byte-path.ts";

export interface InspectAsk {
  readonly name: BytePath;
  readonly root: string | undefined;
  readonly tensors: boolean;
  readonly json: boolean;
  readonly engineSafety: boolean;
}

export const INSPECT_GRAMMAR = { flags: ["tensors", "engine-safety", "json"], options: ["root"] } as const;

/** @throws UsageError */
export function parseInspect(args: readonly string[]): InspectAsk {
  const { flags, options, names } = parseCommand(args, INSPECT_GRAMMAR);
  const [name] = names;
  if (name === undefined) throw new UsageError("inspect needs the name of a file.");
  if (names.length > 1) throw new UsageError("inspect shows one file at a time; run it once for each.");
  return {
    name,
    root: options.get("root"),
    tensors: flags.has("tensors"),
    json: flags.has("json"),
    engineSafety: flags.has("engine-safety"),
  };
}
