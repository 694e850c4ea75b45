/** Who writes: the boot, the process and its user, so that two runs can never be taken for one. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { hostname } from "node:os";
import { threadId } from "node:worker_threads";
import { textJson } from "./escape.ts";

/** Field 22 of /proc/self/stat, counted after the command's closing parenthesis. */
const START_TIME_FIELD = 19;

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

/** A new trail's name, unless it is given one: a host may have many, and each is told apart from the others. */
export function newOrigin(): string {
  return `${hostname().replace(/[^A-Za-z0-9.-]/g, "-")}/model-loader/${randomBytes(6).toString("hex")}`;
}

/** `"boot":…,"proc":{…}`: the part of every record that never changes while the process lives. */
export function identityJson(): string {
  const proc = {
    pid: process.pid,
    start: startTicks(),
    uid: process.getuid?.() ?? -1,
    euid: process.geteuid?.() ?? -1,
    thread: threadId,
    node: process.versions.node,
    version,
  };
  return `"boot":${textJson(bootId(), 64)},"proc":${JSON.stringify(proc)}`;
}

/** A process id alone is used again; with the start time (clock ticks since boot) it names one process. */
function startTicks(): number {
  const stat = readText("/proc/self/stat");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[START_TIME_FIELD] ?? 0);
}

function bootId(): string {
  return readText("/proc/sys/kernel/random/boot_id").trim();
}

/** A sandbox may hide /proc; the record is written without that part rather than not at all. */
function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
