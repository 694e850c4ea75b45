/** What one command line asks to be judged, file by file. */
import { statSync } from "node:fs";
import { OLLAMA_SCHEME } from "../digest-source/ollama.ts";
import type { ModelLoadErrorCode } from "../errors.ts";
import { UsageError } from "./args.ts";
import { fromText, toBytes, under } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import { ownPlace, placeInRoot } from "./places.ts";
import type { Place } from "./places.ts";
import { filesOf, firstOf } from "./sets.ts";
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
    if (isOllamaName(name) && root !== undefined) {
      jobs.push({ root: fromText(root), ownRoot: false, path: name, shown: name });
      continue;
    }
    const { folder, ...place } = placeOf(name, root);
    const asked = { ...place, ownRoot: root === undefined, shown: name };
    if (folder === undefined) jobs.push(asked);
    else jobs.push(...(await searched(folder, asked)));
  }
  return jobs;
}

/** One digest can be promised for one model only: a file, or a set by some or all of its parts. */
export function requireOneModel(names: readonly BytePath[], root: string | undefined): void {
  const [first, ...more] = new Set(names.map(firstOf));
  if (first !== undefined && more.length === 0 && (isOllamaName(first) || placeOf(first, root).folder === undefined)) return;
  throw new UsageError("--sha256 is the digest of one file; name that one file, and run once for each.");
}

/** An address in an Ollama store, which is no path. */
export function isOllamaName(name: BytePath): boolean {
  return name.startsWith(OLLAMA_SCHEME);
}

/** The model's size for the progress bar; what cannot be looked at counts as nothing. */
export function sizeBytes(job: Job): number {
  return filesOf(job.path).reduce((sum, path) => sum + fileBytes(path.startsWith("/") ? path : under(job.root, path)), 0);
}

function fileBytes(file: BytePath): number {
  try {
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
