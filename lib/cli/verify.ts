/** `model-loader verify` and `protect`: the whole gate over files and folders. */
import { availableParallelism } from "node:os";
import { AuditLog } from "../audit/log.ts";
import { ModelLoadError } from "../errors.ts";
import { toText } from "./byte-path.ts";
import { EXIT, exitOf, worst } from "./exit.ts";
import { Gate } from "./gate.ts";
import type { Verdict } from "./gate.ts";
import { inOrder } from "./in-order.ts";
import { Interrupt } from "./interrupt.ts";
import { jobsOf, sizeBytes } from "./jobs.ts";
import type { Job } from "./jobs.ts";
import { Output } from "./output.ts";
import { asModels } from "./sets.ts";
import { Progress, watched } from "./progress.ts";
import { recordsIn } from "./state.ts";
import { visible } from "./terminal.ts";
import { count } from "./units.ts";
import { exitOfVerdict, refusalObject, refusalText, verdictObject, verdictText } from "./verdict-report.ts";
import { parseProtect, parseVerify } from "./verify-ask.ts";
import type { Ask } from "./verify-ask.ts";

/** One stream is bound by one core; more than a few at once only share the disk. */
const FILES_AT_ONCE_MAX = 4;

export function verify(args: readonly string[]): Promise<number> {
  return judged(parseVerify(args));
}

export function protect(args: readonly string[]): Promise<number> {
  return judged(parseProtect(args));
}

async function judged(ask: Ask): Promise<number> {
  using interrupt = new Interrupt();
  const output = new Output(ask.json, interrupt);
  const files = await jobsOf(ask.names, ask.root);
  // What is protected is a file, whatever it is a part of.
  const jobs = ask.action === "protect" ? files : asModels(files);
  const audit = await opened(ask.auditFolder);
  if (audit instanceof Error) return withoutTrail(audit, ask, output);
  const records = recordsIn(ask.stateFolder, ask.identity);
  if (records instanceof Error) return worst([unjudged(records, ask, output), ...(await closed(audit, output))]);
  const concurrency = Math.min(FILES_AT_ONCE_MAX, availableParallelism());
  const gate = new Gate({ action: ask.action, judge: ask.judge, call: ask.call, audit, records, concurrency });
  const codes = await judgeAll(jobs, concurrency, gate, output, interrupt);
  codes.push(...(await closed(gate, output)), ...(await closed(audit, output)));
  return interrupt.exitCode ?? worst(codes);
}

async function opened(folder: string | undefined): Promise<AuditLog | undefined | Error> {
  try {
    return folder === undefined ? undefined : await AuditLog.open(folder, { flood: false });
  } catch (failure) {
    return failure as Error;
  }
}

/** Judging without the trail that was asked for would be a decision that nobody can prove. */
function withoutTrail(failure: Error, ask: Ask, output: Output): number {
  const error = new ModelLoadError("AUDIT_UNAVAILABLE", { message: `the audit trail cannot be written, so nothing was judged: ${failure.message}` });
  return unjudged(error, ask, output);
}

function unjudged(error: ModelLoadError, ask: Ask, output: Output): number {
  for (const name of ask.names) output.result(refusalObject(name, error), () => refusalText(name, error));
  return exitOf(error.code);
}

/** A trail that cannot be closed is one that cannot be trusted. */
async function closed(resource: AsyncDisposable | undefined, output: Output): Promise<number[]> {
  try {
    await resource?.[Symbol.asyncDispose]();
    return [];
  } catch (failure) {
    output.note(`model-loader: the audit trail could not be closed: ${visible((failure as Error).message)}`);
    return [EXIT.AUDIT];
  }
}

async function judgeAll(jobs: readonly Job[], width: number, gate: Gate, output: Output, interrupt: Interrupt): Promise<number[]> {
  const progress = progressFor(jobs);
  const codes: number[] = [];
  const judge = (job: Job, index: number): Promise<Verdict> =>
    gate.judge(job, { signal: interrupt.signal, ...watching(progress, job, index) });
  for await (const verdict of inOrder(jobs, width, interrupt.signal, judge)) {
    progress?.clear();
    output.result(verdictObject(verdict), () => verdictText(verdict));
    codes.push(exitOfVerdict(verdict));
    progress?.finish();
  }
  summarize(jobs.length, codes, output);
  return codes;
}

function progressFor(jobs: readonly Job[]): Progress | undefined {
  if (!watched(process.stderr)) return undefined;
  return new Progress(process.stderr, jobs.length, jobs.reduce((sum, job) => sum + sizeBytes(job), 0));
}

function watching(progress: Progress | undefined, job: Job, index: number): object {
  if (progress === undefined) return {};
  return { onProgress: ({ bytesDone }: { bytesDone: number }) => { progress.advance(index, toText(job.shown), bytesDone); } };
}

function summarize(asked: number, codes: readonly number[], output: Output): void {
  const good = codes.filter((code) => code === EXIT.VERIFIED).length;
  if (!output.json && asked > 1) output.note(`${good} verified, ${codes.length - good} not`);
  if (codes.length < asked) output.note(`model-loader: stopped; ${asked - codes.length} of ${count(asked, "file")} not judged`);
}
