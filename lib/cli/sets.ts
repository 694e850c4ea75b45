/** Split models among the files of a command line: whichever of its parts is met, a set is one job. */
import { native } from "../native.ts";
import { fromBytes, toBytes } from "./byte-path.ts";
import type { BytePath } from "./byte-path.ts";
import type { Job } from "./jobs.ts";

/** The jobs with all parts of a set as its first one, each set once, where its first part was met. */
export function asModels(jobs: readonly Job[]): Job[] {
  const seen = new Set<string>();
  return jobs.map(firstPart).filter((job) => {
    if (!isPart(job.path)) return true;
    const key = `${job.root}\0${job.path}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** The paths of all files of the model, from the first part's. */
export function filesOf(path: BytePath): BytePath[] {
  const split = native.splitPath(toBytes(path));
  if (split === null || split.count > split.countMax) return [path];
  return Array.from({ length: split.count }, (_, index) => part(path, index));
}

export function isPart(path: BytePath): boolean {
  return native.splitPath(toBytes(path)) !== null;
}

/** The path of the model's first file. */
export function firstOf(path: BytePath): BytePath {
  return isPart(path) ? part(path, 0) : path;
}

function firstPart(job: Job): Job {
  if (job.failure !== undefined || !isPart(job.path)) return job;
  return { ...job, path: firstOf(job.path), shown: firstOf(job.shown) };
}

function part(path: BytePath, index: number): BytePath {
  const found = native.splitPart(toBytes(path), index);
  return found === null ? path : fromBytes(found);
}
