/** `model-loader vram seal`: does a model fit, arrive whole, and stay where it was put? */
import { once } from "node:events";
import { toText } from "./byte-path.ts";
import { EXIT } from "./exit.ts";
import { Interrupt } from "./interrupt.ts";
import { Output } from "./output.ts";
import { parseSealCommand } from "./vram-ask.ts";
import { sealObject, sealText } from "./vram-report.ts";
import { withShard } from "./vram-session.ts";

/** @throws UsageError */
export async function seal(args: readonly string[]): Promise<number> {
  const ask = parseSealCommand(args);
  using interrupt = new Interrupt();
  const output = new Output(ask.json, interrupt);
  return await withShard(ask, output, interrupt, async (shard) => {
    output.result(sealObject(ask.name, shard), () => sealText(ask.name, shard));
    if (ask.hold) await held(interrupt, output, toText(ask.name));
    return EXIT.VERIFIED;
  });
}

/** Memory belongs to the process: it ends with it, and so the process waits. */
async function held(interrupt: Interrupt, output: Output, name: string): Promise<void> {
  output.note(`Holding ${name} in GPU memory until Ctrl-C; it is cleared then.`);
  const alive = setInterval(() => undefined, 2 ** 31 - 1);
  if (!interrupt.signal.aborted) await once(interrupt.signal, "abort");
  clearInterval(alive);
}
