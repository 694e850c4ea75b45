/** Who writes: the boot, the process and its user, so that two runs can never be taken for one. */
import { createHmac, hash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { hostname } from "node:os";
import { threadId } from "node:worker_threads";
import { escapeText, textJson } from "./escape.ts";
import type { InstallationDetails } from "./event-details.ts";

/** Field 22 of /proc/self/stat, counted after the command's closing parenthesis. */
const START_TIME_FIELD = 19;
/** HOST_NAME_MAX of Linux is 64; an escape may take more. */
const HOST_NAME_MAX = 128;

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

/** A new trail's name, unless it is given one: a host may have many, and each is told apart from the others. */
export function newOrigin(): string {
  return `${hostname().replace(/[^A-Za-z0-9.-]/g, "-")}/model-loader/${randomBytes(6).toString("hex")}`;
}

/** `"boot":…,"host":{…},"proc":{…}`: the part of every record that never changes while the process lives. */
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
  return `"boot":${textJson(bootId(), 64)},"host":${hostJson()},"proc":${JSON.stringify(proc)}`;
}

/** What runs here, as far as the system says it. */
export function installation(): InstallationDetails {
  return { exe: process.execPath, addonSha256: addonDigest() };
}

function hostJson(): string {
  const [id, container] = [hostId(), containerId()];
  const name = `"name":${JSON.stringify(escapeText(hostname()).slice(0, HOST_NAME_MAX))}`;
  return `{${name}${id === undefined ? "" : `,"id":"${id}"`}${container === undefined ? "" : `,"container":"${container}"`}}`;
}

/** The machine's own id must not leave it (machine-id(5)): this one is made from it, and is the same for every trail of the machine. */
function hostId(): string | undefined {
  const machine = readText("/etc/machine-id").trim();
  return machine === "" ? undefined : createHmac("sha256", machine).update("model-loader").digest("hex").slice(0, 32);
}

/** Docker, containerd, CRI-O and Podman name a container by 64 hex digits; which file shows them depends on the cgroup version. */
function containerId(): string | undefined {
  const inCgroup = /[0-9a-f]{64}/.exec(readText("/proc/self/cgroup"))?.[0];
  return inCgroup ?? /\/(?:containers|sandboxes)\/([0-9a-f]{64})\//.exec(readText("/proc/self/mountinfo"))?.[1];
}

/** The file that is mapped into this process; undefined where none is, as in a program that only verifies. */
function addonDigest(): string | undefined {
  const path = /\S*\/model-loader[^\s/]*\.node$/m.exec(readText("/proc/self/maps"))?.[0];
  try {
    return path === undefined ? undefined : hash("sha256", readFileSync(path), "hex");
  } catch {
    return undefined;
  }
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
