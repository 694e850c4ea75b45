/**
 * One contestant in a process of its own: a peer that crashes or swallows memory costs its row, not the run,
 * and no contestant pays for another's garbage.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { withLoopDelay } from "./delay.mjs";
import { Lost } from "./measure.mjs";

const SELF = fileURLToPath(import.meta.url);

const running = new Set();

/** Starts contestants/FILE with its options; run() does one timed round there. */
export async function contestant(name, file, options) {
  const child = fork(SELF, [file, JSON.stringify(options)], { serialization: "advanced" });
  running.add(child);
  await reply(child, name);
  const run = () => {
    child.send("round");
    return reply(child, name);
  };
  return { name, run };
}

/** Ends all contestants; without it a failed benchmark would wait for them for ever. */
export function stopContestants() {
  for (const child of running) child.kill();
  running.clear();
}

function reply(child, name) {
  return new Promise((resolve, reject) => {
    const ended = (code, signal) => { reject(new Lost(`${name} ended with ${signal ?? code}`)); };
    child.once("exit", ended);
    child.once("message", (message) => {
      child.off("exit", ended);
      if (message.error === undefined) resolve(message);
      else reject(new Lost(`${name}: ${message.error}`));
    });
  });
}

/** The child's side: set up once, then one round whenever asked. Only round() is timed, answer() is not. */
async function serve(file, options) {
  const { default: setUp } = await import(new URL(`contestants/${file}`, import.meta.url).href);
  const task = await setUp(options);
  process.on("message", () => timed(task).then((result) => process.send(result), fail));
  process.send("ready");
}

async function timed({ round, answer = (result) => result, watchLoop = false }) {
  const { result, ms, delay } = watchLoop ? await withLoopDelay(round) : await plainly(round);
  const peakRssMb = Math.round(process.resourceUsage().maxRSS / 1024);
  return { ms, answer: await answer(result), peakRssMb, ...delay };
}

async function plainly(round) {
  const started = performance.now();
  const result = await round();
  return { result, ms: performance.now() - started };
}

function fail(error) {
  process.send({ error: error.stack ?? String(error) });
}

if (process.argv[1] === SELF) await serve(process.argv[2], JSON.parse(process.argv[3])).catch(fail);
