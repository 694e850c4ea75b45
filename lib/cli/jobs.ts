/** What one command line asks to be judged, file by file. */
import { statSync } from "node:fs";
import type { ModelLoadErrorCode } from "../errors.ts";
import { UsageError } from "./args.ts";
import { fromText, toBytes, under } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { ownPlace, placeInRoot } from "./places.ts";
import type { Place } from "./places.ts";
import { modelsIn } from "./walk.ts";
import type { Found } from "./walk.ts";

export interface Job {
  readonly root: BytePath;
  /** True where nobody named a root, so that the file's own folder is it. */
  readonly ownRoot: boolean;
  /** As the loader takes it. */
  readonly path: BytePath;
  /** As the person wrote it, or would have. */
  readonly shown: BytePath;
  /** Set where there is nothing to hand to the loader. */
  readonly failure?: { readonly code: ModelLoadErrorCode; readonly message: string };
}

/** Where a name from the command line points, under --root or on its own. */
export function placeOf(given: BytePath, root: string | undefined): Place {
  return root === undefined ? ownPlace(given) : placeInRoot(root, given, currentFolder());
}

/** All files that `names` stand for, folders searched, in the order given. */
export async function jobsOf(names: readonly BytePath[], root: string | undefined): Promise<Job[]> {
  const jobs: Job[] = [];
  for (const name of names) {
    const { folder, ...place } = placeOf(name, root);
    const asked = { ...place, ownRoot: root === undefined, shown: name };
    if (folder === undefined) jobs.push(asked);
    else jobs.push(...(await searched(folder, asked)));
  }
  return jobs;
}

/** One digest can be promised for one file only. */
export function requireOneFile(names: readonly BytePath[], root: string | undefined): void {
  const [first] = names;
  if (names.length === 1 && first !== undefined && placeOf(first, root).folder === undefined) return;
  throw new UsageError("--sha256 is the digest of one file; name that one file, and run once for each.");
}

/** The file's size for the progress bar; what cannot be looked at counts as nothing. */
export function sizeBytes(job: Job): number {
  try {
    const file = job.path.startsWith("/") ? job.path : under(job.root, job.path);
    return statSync(toBytes(file)).size;
  } catch {
    // The loader will say why.
    return 0;
  }
}

async function searched(folder: BytePath, asked: Job): Promise<Job[]> {
  const jobs: Job[] = [];
  for await (const found of modelsIn(folder)) jobs.push(jobOf(asked, found));
  if (jobs.length > 0) return jobs;
  // A gate that was asked about models and saw none must not answer that all is well.
  const failure = { code: "NOT_FOUND", message: "this folder holds no file named *.gguf" } as const;
  return [{ ...asked, failure }];
}

function jobOf(asked: Job, { path, unreadable }: Found): Job {
  const within = asked.path === "." ? path : under(asked.path, path);
  const job = path === "" ? asked : { ...asked, path: within, shown: under(asked.shown, path) };
  if (unreadable === undefined) return job;
  const message = `this folder could not be searched (${unreadable.code ?? "unknown error"})`;
  return { ...job, failure: { code: codeOf(unreadable), message } };
}

/** The refusal code for what the system would not read. */
export function codeOf(failure: NodeJS.ErrnoException): ModelLoadErrorCode {
  if (failure.code === "ENOENT" || failure.code === "ENOTDIR") return "NOT_FOUND";
  return failure.code === "EACCES" || failure.code === "EPERM" ? "PERMISSION_DENIED" : "IO";
}

function currentFolder(): BytePath {
  try {
    return fromText(process.cwd());
  } catch {
    throw new UsageError("the current folder no longer exists; change to one that does.");
  }
}
