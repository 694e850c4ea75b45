/** One file in GPU memory for as long as a command runs: trail, loader and shard, opened in this order and closed in the other. */
import { AuditLog } from "../audit/log.ts";
import { ModelLoadError } from "../errors.ts";
import { ModelLoader } from "../loader.ts";
import { internalVramError, VramError } from "../vram/errors.ts";
import type { Shard } from "../vram/shard.ts";
import { toBytes, toText } from "./byte-path.ts";
import { EXIT, exitOf } from "./exit.ts";
import type { Interrupt } from "./interrupt.ts";
import { placeOf, sizeBytes } from "./jobs.ts";
import type { Output } from "./output.ts";
import { Progress, watched } from "./progress.ts";
import { visible } from "./terminal.ts";
import type { VramAsk } from "./vram-ask.ts";
import { vramFailureObject, vramFailureText } from "./vram-report.ts";

/**
 * Seals the file, hands the shard to `use`, and frees it. Its exit code is the gravest of what happened.
 * A failure of the model or the device is told and is no exception.
 */
export async function withShard(ask: VramAsk, output: Output, interrupt: Interrupt, use: (shard: Shard) => Promise<number>): Promise<number> {
  const audit = await openTrail(ask.auditFolder).catch((failure: unknown) => failure as Error);
  if (audit instanceof Error) return withoutTrail(audit, ask, output);
  const code = await sealed(ask, audit, output, interrupt, use).catch((failure: unknown) => told(failure, ask, output));
  const closing = await closeTrail(audit, output);
  return closing ?? interrupt.exitCode ?? code;
}

async function sealed(ask: VramAsk, audit: AuditLog | undefined, output: Output, interrupt: Interrupt, use: (shard: Shard) => Promise<number>): Promise<number> {
  const { root, path } = placeOf(ask.name, ask.root);
  await using loader = await ModelLoader.open({ root: toText(root), audit: audit ?? "disabled", ...(ask.sealKey === undefined ? {} : { seals: { keyFile: ask.sealKey } }) });
  const job = { root, path, ownRoot: ask.root === undefined, shown: ask.name };
  const progress = watched(process.stderr) && !output.json ? new Progress(process.stderr, 1, sizeBytes(job)) : undefined;
  const shard = await loader.seal(toBytes(path), {
    ...ask.seal, signal: interrupt.signal,
    ...(progress === undefined ? {} : { onProgress: ({ bytesDone }) => { progress.advance(0, toText(ask.name), bytesDone); } }),
  }).finally(() => progress?.clear());
  try {
    return await use(shard);
  } finally {
    await shard[Symbol.asyncDispose]();
  }
}

/** What is wrong with the model or the device is a result; anything else is a bug of ours, and is still told. */
function told(failure: unknown, { name }: VramAsk, output: Output): number {
  const error = failure instanceof ModelLoadError ? failure : (keyError(failure) ?? internalVramError(failure));
  output.result(vramFailureObject(name, error), () => vramFailureText(name, error));
  if (error.auditError !== undefined) return EXIT.AUDIT;
  return error instanceof VramError ? exitOfVram(error) : exitOf(error.code);
}

/** A secret that cannot be read is the person's to mend, and no fault of ours. */
function keyError(failure: unknown): ModelLoadError | undefined {
  if (!(failure instanceof Error && "code" in failure && failure.code === "SEAL_KEY")) return undefined;
  return new ModelLoadError("IO", { message: `nothing was sealed: ${failure.message}`, cause: failure });
}

/** A broken promise is a refusal; what could not be tried was not judged. */
export function exitOfVram({ severity }: VramError): number {
  return severity === "CRITICAL" ? EXIT.REFUSED : EXIT.IO;
}

export async function openTrail(folder: string | undefined): Promise<AuditLog | undefined> {
  return folder === undefined ? undefined : AuditLog.open(folder, { flood: false });
}

function withoutTrail(failure: Error, ask: VramAsk, output: Output): number {
  const error = new ModelLoadError("AUDIT_UNAVAILABLE", { message: `the audit trail cannot be written, so nothing was sealed: ${failure.message}` });
  output.result(vramFailureObject(ask.name, error), () => vramFailureText(ask.name, error));
  return EXIT.AUDIT;
}

/** A trail that cannot be closed is one that cannot be trusted. */
export async function closeTrail(audit: AuditLog | undefined, output: Output): Promise<number | undefined> {
  try {
    await audit?.[Symbol.asyncDispose]();
    return undefined;
  } catch (failure) {
    output.note(`model-loader: the audit trail could not be closed: ${visible((failure as Error).message)}`);
    return EXIT.AUDIT;
  }
}
