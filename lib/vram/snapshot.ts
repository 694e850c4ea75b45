/** A look at the counters of all devices and of this process: what an accounting check compares before and after. */
import { readFile } from "node:fs/promises";
import { native } from "../native.ts";
import { vramDevices } from "./device.ts";
import type { VramDevice } from "./device.ts";
import type { NativeDrmUse } from "./native.ts";

export interface DeviceUse {
  readonly deviceUuid: string;
  /** By all processes together, in bytes. */
  readonly usedBytes: number | undefined;
  /** By this process. */
  readonly processBytes: number | undefined;
  readonly evictedBytes: number | undefined;
}

export interface HostUse {
  /** Host memory of this process that a GPU's driver manages (DRM's gtt and system regions), in bytes; undefined without DRM. */
  readonly gpuVisibleBytes: number | undefined;
  readonly evictedBytes: number | undefined;
  /** Anonymous memory of this process, in bytes. */
  readonly anonymousBytes: number | undefined;
}

export interface MemorySnapshot {
  readonly at: Date;
  readonly devices: readonly DeviceUse[];
  readonly host: HostUse;
}

/** Milliseconds; disturbs nothing. */
export async function memorySnapshot(): Promise<MemorySnapshot> {
  const [{ devices }, status, drm] = await Promise.all([vramDevices(), text("/proc/self/status"), native.vramDrmUse()]);
  return { at: new Date(), devices: usesOf(devices), host: hostUseOf(status, drm) };
}

/** A GPU that both interfaces show is counted once, by the first that counts it. Memory that is the host's counts as none. */
export function usesOf(devices: readonly VramDevice[]): DeviceUse[] {
  const uses = new Map<string, DeviceUse>();
  for (const { uuid, isVram, totalBytes, freeBytes, processBytes, evictedBytes } of devices) {
    if (!isVram || uses.get(uuid)?.usedBytes !== undefined) continue;
    uses.set(uuid, { deviceUuid: uuid, usedBytes: freeBytes === undefined ? undefined : totalBytes - freeBytes, processBytes, evictedBytes });
  }
  return [...uses.values()];
}

/** From /proc's text of the process's status, and what DRM counts for it. */
export function hostUseOf(status: string, { hostBytes, evictedBytes }: NativeDrmUse): HostUse {
  const [, kilobytes] = /^RssAnon:\s+(\d+) kB$/mu.exec(status) ?? [];
  return { gpuVisibleBytes: hostBytes, evictedBytes, anonymousBytes: kilobytes === undefined ? undefined : Number(kilobytes) * 1024 };
}

/** Other systems have no /proc: nothing is known then. */
async function text(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
