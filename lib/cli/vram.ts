/** `model-loader vram`: models in GPU memory. */
import { UsageError } from "./args.ts";
import { didYouMean } from "./suggest.ts";
import { visible } from "./terminal.ts";

type Subcommand = (args: readonly string[]) => Promise<number>;

/** Loaded when called: each reads no more than it needs. */
export const VRAM_SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  devices: async (args) => (await import("./vram-devices.ts")).devices(args),
  seal: async (args) => (await import("./vram-seal.ts")).seal(args),
  verify: async (args) => (await import("./vram-verify.ts")).verify(args),
  watch: async (args) => (await import("./vram-watch.ts")).watch(args),
  "check-record": async (args) => (await import("./vram-check-record.ts")).checkRecord(args),
};

export async function vram(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const known = Object.keys(VRAM_SUBCOMMANDS);
  if (name === undefined) throw new UsageError(`vram needs to know what to do: ${known.join(", ")}.`);
  const subcommand = Object.hasOwn(VRAM_SUBCOMMANDS, name) ? VRAM_SUBCOMMANDS[name] : undefined;
  if (subcommand === undefined) throw new UsageError(`vram has no command ${visible(name, 80)}.${didYouMean(name, known)}`);
  return subcommand(rest);
}
