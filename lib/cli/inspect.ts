/** `model-loader inspect`: what a header says, unverified. */
import { ModelLoader } from "../loader.ts";
import type { InspectReport } from "../loader.ts";
import { parseCommand, UsageError } from "./args.ts";
import { toBytes, toText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { EXIT, exitOf } from "./exit.ts";
import { asRefusal } from "./gate.ts";
import { inspectObject, inspectText } from "./inspect-report.ts";
import { Interrupt } from "./interrupt.ts";
import { placeOf } from "./jobs.ts";
import type { Place } from "./places.ts";
import { Output } from "./output.ts";
import { refusalObject, refusalText } from "./verdict-report.ts";

export const INSPECT_GRAMMAR = { flags: ["tensors", "json"], options: ["root"] } as const;

export async function inspect(args: readonly string[]): Promise<number> {
  const { flags, options, names } = parseCommand(args, INSPECT_GRAMMAR);
  const name = onlyOne(names);
  using interrupt = new Interrupt();
  const output = new Output(flags.has("json"), interrupt);
  try {
    const report = await read(placeOf(name, options.get("root")), interrupt.signal);
    const tensors = flags.has("tensors");
    output.result(inspectObject(name, report, tensors), () => inspectText(name, report, tensors));
    return interrupt.exitCode ?? EXIT.VERIFIED;
  } catch (failure) {
    const error = asRefusal(failure);
    output.result(refusalObject(name, error), () => refusalText(name, error));
    return interrupt.exitCode ?? exitOf(error.code);
  }
}

function onlyOne(names: readonly BytePath[]): BytePath {
  const [name] = names;
  if (name === undefined) throw new UsageError("inspect needs the name of a file.");
  if (names.length > 1) throw new UsageError("inspect shows one file at a time; run it once for each.");
  return name;
}

/** Looking at a header lets nothing in, so it leaves no record. */
async function read(place: Place, signal: AbortSignal): Promise<InspectReport> {
  await using loader = await ModelLoader.open({ root: toText(place.root), audit: "disabled" });
  return await loader.inspect(toBytes(place.path), { signal });
}
