/** `model-loader inspect`: what a header says, unverified. */
import { ModelLoader } from "../loader.ts";
import type { InspectReport } from "../reports.ts";
import type { CallOptions } from "../options.ts";
import { toBytes, toText } from "./byte-path.ts";
import { EXIT, exitOf } from "./exit.ts";
import { asRefusal } from "./gate.ts";
import { parseInspect } from "./inspect-ask.ts";
import { inspectObject, inspectText } from "./inspect-report.ts";
import { Interrupt } from "./interrupt.ts";
import { placeOf } from "./jobs.ts";
import type { Place } from "./places.ts";
import { Output } from "./output.ts";
import { refusalObject, refusalText } from "./verdict-report.ts";

export async function inspect(args: readonly string[]): Promise<number> {
  const { name, root, tensors, json, engineSafety } = parseInspect(args);
  using interrupt = new Interrupt();
  const output = new Output(json, interrupt);
  try {
    const report = await read(placeOf(name, root), { signal: interrupt.signal, engineSafety });
    output.result(inspectObject(name, report, tensors), () => inspectText(name, report, tensors));
    return interrupt.exitCode ?? EXIT.VERIFIED;
  } catch (failure) {
    const error = asRefusal(failure);
    output.result(refusalObject(name, error), () => refusalText(name, error));
    return interrupt.exitCode ?? exitOf(error.code);
  }
}

/** Looking at a header lets nothing in, so it leaves no record. */
async function read(place: Place, options: CallOptions): Promise<InspectReport> {
  await using loader = await ModelLoader.open({ root: toText(place.root), audit: "disabled" });
  return await loader.inspect(toBytes(place.path), options);
}
