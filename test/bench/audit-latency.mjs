/** How long a caller waits for a CRITICAL record to be durable, beside one write with fdatasync, in turn on the same disk. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { contestant } from "./child.mjs";
import { goal, race, rounded, summary } from "./measure.mjs";

const BYTES = 840;
const NAME = "both in turn";

export const title = "One durable CRITICAL record, microseconds";

export async function measure({ files, quick }) {
  const folder = mkdtempSync(join(files.folder, "latency-"));
  const records = quick ? 500 : 2_000;
  const rounds = { bareP50: [], bareP99: [], durableP50: [], durableP99: [] };
  const check = ({ ok, records: found, bare, durable }) => {
    if (!ok || found !== records) throw new Error(`${found} records of ${records} are in the trail, verified: ${ok}`);
    const seen = { bareP50: bare.p50, bareP99: bare.p99, durableP50: durable.p50, durableP99: durable.p99 };
    for (const [key, value] of Object.entries(seen)) rounds[key].push(value * 1000);
  };
  await race([await contestant(NAME, "audit-latency.mjs", { folder, records, bytes: BYTES })], { rounds: quick ? 3 : 11, check });
  const us = Object.fromEntries(Object.entries(rounds).map(([key, values]) => [key, summary(values.slice(1)).medianMs]));
  const row = (name, p50, p99) => ({ name, p50, p99, ofOneP50: rounded(p50 / us.bareP50, 3), ofOneP99: rounded(p99 / us.bareP99, 3) });
  return {
    rows: [row("write and fdatasync", us.bareP50, us.bareP99), row("model-loader, CRITICAL, awaited", us.durableP50, us.durableP99)],
    goals: [
      // The same quantile of both: when the disk takes its time, no program can be faster.
      goal("p99 <= 2 x p99 of one write and fdatasync", us.durableP99 / us.bareP99, (ratio) => ratio <= 2),
      goal("p99 <= 2 x p50 of one write and fdatasync", us.durableP99 / us.bareP50, (ratio) => ratio <= 2),
    ],
  };
}
