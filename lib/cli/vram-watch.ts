/** `model-loader vram watch`: holds a model in GPU memory, scrubs it, and shows what is found. */
import type { Evidence } from "../vram/evidence.ts";
import type { Scrub, ScrubStep } from "../vram/scrub.ts";
import type { Shard } from "../vram/shard.ts";
import { EXIT } from "./exit.ts";
import { Interrupt } from "./interrupt.ts";
import { Output } from "./output.ts";
import { watched } from "./progress.ts";
import { parseWatchCommand } from "./vram-ask.ts";
import { pathObject } from "./verdict-report.ts";
import { sealObject, vramFailureObject, vramFailureText } from "./vram-report.ts";
import { exitOfVram, withShard } from "./vram-session.ts";
import { WatchView } from "./vram-view.ts";

type Ask = ReturnType<typeof parseWatchCommand>;

/** @throws UsageError */
export async function watch(args: readonly string[]): Promise<number> {
  const ask = parseWatchCommand(args);
  using interrupt = new Interrupt();
  // Nobody watches a pipe: what reads it is a program.
  const live = !ask.json && watched(process.stdout);
  const output = new Output(!live, interrupt);
  return await withShard(ask, output, interrupt, async (shard) => watching(ask, shard, output, interrupt, live));
}

async function watching(ask: Ask, shard: Shard, output: Output, interrupt: Interrupt, live: boolean): Promise<number> {
  const { dutyCycle, budgetMs, name } = ask;
  const scrub = shard.scrub({ dutyCycle, budgetMs, signal: interrupt.signal });
  const view = live ? new WatchView(process.stdout, shard, dutyCycle) : undefined;
  if (view === undefined) output.result({ event: "sealed", ...sealObject(name, shard) }, () => "");
  const code = follow(ask, scrub, output, view);
  // A scrub keeps no process alive; this command lives as long as it.
  const alive = setInterval(() => { view?.draw(); }, view === undefined ? 2 ** 31 - 1 : 1000);
  const why = await scrub.ended;
  clearInterval(alive);
  view?.end();
  if (view === undefined) output.result({ event: "ended", ...pathObject(name), why, passes: scrub.passes }, () => "");
  return code();
}

/** Tells all events; what it returns says how it ended. */
function follow({ name, passes }: Ask, scrub: Scrub, output: Output, view: WatchView | undefined): () => number {
  let code: number = EXIT.VERIFIED;
  const say = (event: string, more: object): void => {
    if (view === undefined) output.result({ event, ...pathObject(name), ...more }, () => "");
  };
  scrub.on("step", (step: ScrubStep) => {
    view?.step(step);
    say("step", step);
  });
  scrub.on("completed", (evidence: Evidence) => {
    view?.completed(evidence);
    say("completed", { passes: scrub.passes, evidence });
    if (passes !== undefined && scrub.passes >= passes) void scrub.stop();
  });
  scrub.on("failed", (error) => {
    code = exitOfVram(error);
    view?.end();
    if (view === undefined) say("failed", vramFailureObject(name, error));
    else process.stdout.write(`${vramFailureText(name, error)}\n`);
  });
  return () => code;
}

