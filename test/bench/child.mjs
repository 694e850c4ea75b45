/**
 * One contestant in a process of its own: a peer that crashes or swallows memory costs its row, not the run,
 * and no contestant pays for another's garbage.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const SELF = fileURLToPath(import.meta.url);

/** Starts contestants/FILE with its options; run() does one timed round there. */
export async function contestant(name, file, options) {
  const child = fork(SELF, [file, JSON.stringify(options)], { serialization: "advanced" });
  await reply(child, name);
  const run = () => {
    child.send("round");
    return reply(child, name);
  };
  return { name, run, stop: () => child.kill() };
}

async function reply(child, name) {
  const [message] = await Promise.race([once(child, "message"), once(child, "exit").then(([code, signal]) => [{ error: `ended with ${signal ?? code}` }])]);
  if (message.error !== undefined) throw new Error(`${name}: ${message.error}`);
  return message;
}

/** The child's side: set up once, then one round whenever asked. Only round() is timed; answer() and extra() are not. */
async function serve(file, options) {
  const { default: setUp } = await import(new URL(`contestants/${file}`, import.meta.url).href);
  const task = await setUp(options);
  process.on("message", () => timed(task).then((result) => process.send(result), fail));
  process.send("ready");
}

async function timed({ round, answer = (result) => result, extra = () => ({}) }) {
  const started = performance.now();
  const result = await round();
  const ms = performance.now() - started;
  const peakRssMb = Math.round(process.resourceUsage().maxRSS / 1024);
  return { ms, answer: await answer(result), peakRssMb, ...extra(result) };
}

function fail(error) {
  process.send({ error: error.stack ?? String(error) });
}

if (process.argv[1] === SELF) await serve(process.argv[2], JSON.parse(process.argv[3])).catch(fail);
