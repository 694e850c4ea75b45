/** Trails in a file of lines, as a syslog server or an export writes it: what stands before a record in its line is passed over. */
import { stat } from "node:fs/promises";
import { originOf } from "../envelope.ts";
import { eachLine, lineBatches } from "../lines.ts";
import { linePrefix } from "../record.ts";
import type { CentralSource, CentralTrail } from "./sources.ts";

const RECORD_START = '{"v":';
/** Of how many hosts one file may hold trails. */
const TRAILS_MAX = 10_000;

export async function fileSource(path: string): Promise<CentralSource> {
  if (!(await stat(path)).isFile()) throw new Error(`${path} is not a file`);
  return { trails: () => trailsIn(path), weaknesses: [], close: () => Promise.resolve() };
}

async function trailsIn(path: string): Promise<CentralTrail[]> {
  const origins = new Set<string>();
  let known: string | undefined;
  await eachLine(path, (block, start, end) => {
    const from = recordStart(block, start, end);
    if (from === undefined || (known !== undefined && startsWith(block, from, end, known))) return true;
    const origin = originOf(block, from, end);
    if (origin === undefined) return true;
    origins.add(origin);
    known = linePrefix(origin);
    return origins.size < TRAILS_MAX;
  });
  return [...origins].sort().map((origin) => ({ origin, lines: () => linesOf(path, origin) }));
}

async function* linesOf(path: string, origin: string): AsyncGenerator<Uint8Array> {
  const prefix = linePrefix(origin);
  const read = (block: Buffer, start: number, end: number): Buffer | undefined => {
    const from = recordStart(block, start, end);
    return from !== undefined && startsWith(block, from, end, prefix) ? Buffer.from(block.subarray(from, end)) : undefined;
  };
  for await (const batch of lineBatches(path, read)) yield* batch;
}

function recordStart(block: Buffer, start: number, end: number): number | undefined {
  const at = block.subarray(start, end).indexOf(RECORD_START);
  return at === -1 ? undefined : start + at;
}

function startsWith(block: Buffer, from: number, end: number, prefix: string): boolean {
  return block.toString("latin1", from, Math.min(end, from + prefix.length)) === prefix;
}
