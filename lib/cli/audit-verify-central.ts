/** `model-loader audit verify --stream`: is what arrived away from the host whole, and does the host still agree with it? */
import { fileSource } from "../audit/central/file-source.ts";
import { jetStreamSource } from "../audit/central/jetstream-source.ts";
import type { CentralSource } from "../audit/central/sources.ts";
import { verifyCentral } from "../audit/central/verify-central.ts";
import type { CentralOptions, CentralReport } from "../audit/central/verify-central.ts";
import { UsageError } from "./args.ts";
import { keysOption, smallFile } from "./audit-keys.ts";
import { oneTrail } from "./audit-trail.ts";
import { reportText, spanText } from "./audit-verify.ts";
import { toText } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { EXIT } from "./exit.ts";
import { Output } from "./output.ts";
import { visible } from "./terminal.ts";
import { count, sizeText } from "./units.ts";

type Given = ReadonlyMap<string, string>;

/** @throws UsageError */
export async function verifyStream(given: Given, names: readonly BytePath[], json: boolean): Promise<number> {
  const asked = askedBy(given, names);
  const output = new Output(json);
  try {
    return await told(given, asked, output);
  } catch (failure) {
    if (failure instanceof UsageError) throw failure;
    if (failure instanceof TypeError) throw new UsageError(failure.message);
    const message = visible(failure instanceof Error ? failure.message : String(failure));
    output.result({ ok: false, stream: placeOf(given), code: "IO", message }, () => `UNREADABLE  ${visible(placeOf(given))}\n  ${message}`);
    return EXIT.IO;
  }
}

async function told(given: Given, asked: CentralOptions, output: Output): Promise<number> {
  const source = await sourceOf(given);
  try {
    const reports = await verifyCentral(source, asked);
    for (const report of reports) output.result(report, () => centralText(report));
    return reports.every(({ ok }) => ok) ? EXIT.VERIFIED : EXIT.REFUSED;
  } finally {
    await source.close();
  }
}

function askedBy(given: Given, names: readonly BytePath[]): CentralOptions {
  if (given.has("witness")) throw new UsageError("--witness goes with a folder alone: a stream holds no checkpoint.");
  const origin = given.get("origin");
  const since = given.get("since");
  const vkeys = keysOption(given.get("vkey"), "vkey");
  return {
    ...(origin === undefined ? {} : { origin }),
    ...(names.length === 0 ? {} : { dir: toText(oneTrail(names, "verify")) }),
    ...(since === undefined ? {} : { since: smallFile(since, "--since") }),
    ...(vkeys === undefined ? {} : { vkeys }),
  };
}

/** A server's address, or the name of a file. */
function sourceOf(given: Given): Promise<CentralSource> {
  const place = given.get("stream") ?? "";
  const stream = given.get("stream-name");
  if (!/^(?:nats|tls):\/\//u.test(place)) {
    if (stream !== undefined) throw new UsageError("--stream-name goes with a server, such as --stream nats://audit.example.com:4222.");
    return fileSource(place);
  }
  if (stream === undefined) throw new UsageError("--stream needs the name of the stream on that server: --stream-name model-loader-audit.");
  if (!URL.canParse(place)) throw new UsageError(`--stream must be an address such as nats://audit.example.com:4222, not ${visible(place, 80)}.`);
  const [creds, ca] = [given.get("creds"), given.get("ca")];
  return jetStreamSource({ url: place, stream, ...(creds === undefined ? {} : { creds }), ...(ca === undefined ? {} : { ca }) });
}

/** Without what stands before the host: that is a password. */
function placeOf(given: Given): string {
  return (given.get("stream") ?? "").replace(/\/\/[^@/]*@/u, "//");
}

function centralText(report: CentralReport): string {
  const { damage, local, notArrived = 0, repeated } = report;
  return [
    `${report.ok ? "intact  " : "TAMPERED"}  ${visible(report.origin)}`,
    ...(damage === undefined ? [] : [`  record ${damage.seq}, ${damage.kind}: ${visible(damage.message)}`]),
    `  ${count(report.records, "good record")} arrived (${sizeText(report.bytes)})${spanText(report)}`,
    `  head ${report.head}`,
    ...(report.closed ? [] : ["  not closed in order: the host is at work, it died, or it cannot be reached"]),
    ...(repeated === 0 ? [] : [`  ${count(repeated, "line")} came more than once`]),
    ...(local === undefined ? [] : ["  The host's own trail:", ...reportText(local).split("\n").map((line) => `    ${line}`)]),
    ...(notArrived === 0 ? [] : [`  ${count(notArrived, "record")} of the host's own trail ${notArrived === 1 ? "has" : "have"} not arrived yet`]),
    "  Not proven:",
    ...report.notProven.map((sentence) => `  - ${visible(sentence)}`),
  ].join("\n");
}
