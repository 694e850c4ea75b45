/** Writes the records that fit a filter, a block's worth at a time, until they end, the reader leaves or somebody stops it. */
import type { TrailFilter } from "../audit/filter-options.ts";
import { queryMatches } from "../audit/query.ts";
import type { Match, QueryTally } from "../audit/query.ts";
import { unreadableTrail } from "./audit-trail.ts";
import { toText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { EXIT } from "./exit.ts";
import { Interrupt } from "./interrupt.ts";
import { Output } from "./output.ts";
import { count } from "./units.ts";

export async function toldMatches(folder: BytePath, filter: TrailFilter, json: boolean, line: (match: Match) => string): Promise<number> {
  using interrupt = new Interrupt();
  const output = new Output(json, interrupt);
  const tally: QueryTally = { unreadable: 0 };
  try {
    for await (const matches of queryMatches(toText(folder), filter, tally)) {
      if (interrupt.signal.aborted) break;
      await output.raw(matches.map((match) => `${line(match)}\n`).join(""));
    }
  } catch (failure) {
    return unreadableTrail(folder, failure as NodeJS.ErrnoException, output);
  }
  if (tally.unreadable > 0) output.note(`model-loader: ${count(tally.unreadable, "line")} in the log could not be read as records; audit verify says why.`);
  return interrupt.exitCode ?? EXIT.VERIFIED;
}
