/** `model-loader audit query`: the records that somebody asks for, for people or for programs. */
import { targetOf, textOf } from "../audit/recorded.ts";
import type { TrailRecord } from "../audit/recorded.ts";
import { parseCommand } from "./args.ts";
import { FILTER_LISTS, FILTER_OPTIONS, parseFilter } from "./audit-filter.ts";
import { toldMatches } from "./audit-matches.ts";
import { oneTrail } from "./audit-trail.ts";
import { visible } from "./terminal.ts";

/** A value that would stretch a line across screens stops here. */
const VALUE_SHOWN_MAX = 160;

/** @throws UsageError */
export async function query(args: readonly string[]): Promise<number> {
  const { flags, options, names } = parseCommand(args, { flags: ["json"], options: FILTER_OPTIONS, lists: FILTER_LISTS });
  const folder = oneTrail(names, "query");
  const json = flags.has("json");
  return toldMatches(folder, parseFilter(options, Date.now()), json, ({ record, text }) => (json ? text : lineText(record)));
}

/** One line a record; text from outside is shown as it is recorded, which is escaped. */
function lineText(record: TrailRecord): string {
  const { time, sev, type, outcome } = record;
  const fields = { action: record.action, reason: record.reason, target: targetOf(record).path, actor: record.actor, corr: record.corr };
  const said = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${shown(textOf(value) ?? "")}`]));
  return `${String(record.seq).padStart(8)}  ${visible(time, 30)}  ${visible(sev).padEnd(8)}  ${visible(type)}  ${visible(outcome)}  ${said.join("  ")}`;
}

function shown(text: string): string {
  const safe = visible(text, VALUE_SHOWN_MAX);
  return /^[^\s"=]+$/u.test(safe) ? safe : JSON.stringify(safe).replaceAll("\\\\", "\\");
}
