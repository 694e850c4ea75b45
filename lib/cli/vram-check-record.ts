/** `model-loader vram check-record`: was this sealed, by somebody who has this secret? Needs no GPU. */
import type { AuditLog } from "../audit/log.ts";
import { checkSealRecord } from "../vram/seal-record.ts";
import type { SealRecord } from "../vram/seal-record.ts";
import { VramError } from "../vram/errors.ts";
import { parseCommand, UsageError } from "./args.ts";
import { smallFile } from "./audit-keys.ts";
import { toText } from "./byte-path.ts";
import { EXIT } from "./exit.ts";
import { Output } from "./output.ts";
import { visible } from "./terminal.ts";
import { closeTrail, openTrail } from "./vram-session.ts";

export const VRAM_CHECK_RECORD_GRAMMAR = { flags: ["json"], options: ["seal-key", "audit"] } as const;

/** @throws UsageError */
export async function checkRecord(args: readonly string[]): Promise<number> {
  const { flags, options, names } = parseCommand(args, VRAM_CHECK_RECORD_GRAMMAR);
  const [name, ...more] = names.map(toText);
  if (name === undefined || more.length > 0) throw new UsageError("vram check-record needs one file: a seal record as JSON, or what vram seal --json printed.");
  const keyFile = options.get("seal-key");
  if (keyFile === undefined) throw new UsageError("vram check-record needs the secret that the model was sealed under: --seal-key FILE. It should not come with the record.");
  const records = recordsIn(smallFile(name, "the record"));
  const output = new Output(flags.has("json"));
  const audit = await openTrail(options.get("audit")).catch((failure: unknown) => failure as Error);
  if (audit instanceof Error) return unrecorded(audit, output);
  const code = await toldAll(records, { keyFile, audit }, output);
  return (await closeTrail(audit, output)) ?? code;
}

/** The gravest code; a secret that cannot be read is told once. */
async function toldAll(records: readonly unknown[], options: { readonly keyFile: string; readonly audit: AuditLog | undefined }, output: Output): Promise<number> {
  let code: number = EXIT.VERIFIED;
  for (const record of records) {
    code = Math.max(code, await told(record, options, output));
    if (code === EXIT.IO) return code;
  }
  return code;
}

async function told(record: unknown, options: { readonly keyFile: string; readonly audit: AuditLog | undefined }, output: Output): Promise<number> {
  try {
    const checked = await checkSealRecord(record, options);
    output.result({ ok: true, record: checked }, () => checkedText(checked));
    return EXIT.VERIFIED;
  } catch (failure) {
    if (!isTold(failure)) throw failure;
    const { code, message } = failure;
    output.result({ ok: false, code, message }, () => `${code === "VRAM_RECORD_INVALID" ? "REFUSED" : "NOT CHECKED"}\n  ${code}: ${visible(message)}`);
    if (!(failure instanceof VramError)) return EXIT.IO;
    return failure.auditError === undefined ? EXIT.REFUSED : EXIT.AUDIT;
  }
}

function isTold(failure: unknown): failure is Error & { readonly code: string } {
  return failure instanceof VramError || (failure instanceof Error && "code" in failure && failure.code === "SEAL_KEY");
}

/** The record itself, or those of a seal that was told as JSON, one a file; what is no JSON is no record. */
function recordsIn(text: string): unknown[] {
  const parsed = json(text);
  if (typeof parsed !== "object" || parsed === null) return [parsed];
  if ("record" in parsed) return [parsed.record];
  if (!("parts" in parsed && Array.isArray(parsed.parts) && parsed.parts.length > 0)) return [parsed];
  return parsed.parts.map((part: unknown) => (typeof part === "object" && part !== null && "record" in part ? part.record : undefined));
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unrecorded(failure: Error, output: Output): number {
  const message = `the audit trail cannot be written, so nothing was checked: ${failure.message}`;
  output.result({ ok: false, code: "AUDIT_UNAVAILABLE", message }, () => `NOT CHECKED\n  AUDIT_UNAVAILABLE: ${visible(message)}`);
  return EXIT.AUDIT;
}

function checkedText({ shardId, part, parts, backend, deviceUuid, access, root, sha256, ranges, sealedAt }: SealRecord): string {
  const bytes = ranges.reduce((sum, range) => sum + range.bytes, 0);
  return [
    `sealed   shard ${shardId}${parts > 1 ? `, part ${part} of ${parts},` : ""} at ${sealedAt.toISOString()}`,
    `  on ${deviceUuid} (${backend}), ${bytes} bytes, mapped ${access}`,
    `  sha256 ${visible(sha256)}`,
    `  blake3 ${root}`,
    "  the record is whole; it says nothing of what lies on the device now",
  ].join("\n");
}
