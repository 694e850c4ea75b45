/** How long the event loop is kept waiting while a file of 4 GB is verified, audit trail, metrics and progress on. */
import { contestant } from "./child.mjs";
import { demandEqual, goal, race } from "./measure.mjs";

const GIBIBYTE = 2 ** 30;

export const title = "Event-loop delay while a file is verified";

export async function measure({ files, quick }) {
  const { path, sha256 } = files.written((quick ? 2 : 4) * GIBIBYTE);
  const contestants = [
    await contestant("model-loader load", "loop-load.mjs", { path, sha256 }),
    await contestant("idle, for comparison", "loop-idle.mjs", { sha256, ms: 2000 }),
  ];
  const rows = await race(contestants, { rounds: quick ? 1 : 3, check: ({ sha256: found }, who) => { demandEqual(found, sha256, who); } });
  const ours = rows[0];
  return { rows, goals: [goal("p99 below 10 ms", ours.delayP99Ms, (ms) => ms < 10), goal("longest below 10 ms", ours.delayMaxMs, (ms) => ms < 10)] };
}
