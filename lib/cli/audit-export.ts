/** `model-loader audit export`: records in the form that another system takes, one a line. */
import { toCef } from "../audit/export/cef.ts";
import { toCloudEvent } from "../audit/export/cloudevents.ts";
import { toEcs } from "../audit/export/ecs.ts";
import { toOcsf } from "../audit/export/ocsf.ts";
import type { TrailRecord } from "../audit/recorded.ts";
import { parseCommand, UsageError } from "./args.ts";
import { FILTER_LISTS, FILTER_OPTIONS, parseFilter } from "./audit-filter.ts";
import type { FilterOption } from "./audit-filter.ts";
import { toldMatches } from "./audit-matches.ts";
import { oneTrail } from "./audit-trail.ts";
import { didYouMean } from "./suggest.ts";
import { jsonLine, visible } from "./terminal.ts";

const FORMATS: Readonly<Record<string, (record: TrailRecord) => string>> = {
  ocsf: (record) => line(toOcsf(record)),
  ecs: (record) => line(toEcs(record)),
  cef: toCef,
  cloudevents: (record) => line(toCloudEvent(record)),
};

const PLAIN = /^[ -~]*$/u;

/** Records are ASCII without large numbers; only what was written into the log by others needs the slow way. */
function line(value: object): string {
  const text = JSON.stringify(value);
  return PLAIN.test(text) ? text : jsonLine(value);
}

/** @throws UsageError */
export async function exportTrail(args: readonly string[]): Promise<number> {
  const { options, names } = parseCommand<never, FilterOption | "format">(args, {
    flags: [], options: ["format", ...FILTER_OPTIONS], lists: FILTER_LISTS,
  });
  const folder = oneTrail(names, "export");
  const write = formatOf(options.get("format"));
  const filter = parseFilter(options as ReadonlyMap<FilterOption, string>, Date.now());
  return toldMatches(folder, filter, true, ({ record }) => write(record));
}

function formatOf(name: string | undefined): (record: TrailRecord) => string {
  const known = Object.keys(FORMATS);
  if (name === undefined) throw new UsageError(`audit export needs --format, one of ${known.join(", ")}.`);
  const write = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (write !== undefined) return write;
  throw new UsageError(`--format knows no ${visible(name, 40)}; it must be one of ${known.join(", ")}.${didYouMean(name, known)}`);
}
