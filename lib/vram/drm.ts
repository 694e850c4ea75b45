/** Linux DRM's fdinfo: what a graphics driver counts for each client of this process (amdgpu, i915, Xe, nouveau). */

/** One client of one driver, in bytes. */
export interface DrmClient {
  readonly driver: string;
  /** The PCI address. */
  readonly device: string;
  /** In the device's own memory. */
  readonly vramBytes: number;
  /** In the host's. */
  readonly hostBytes: number;
  /** Asked for in the device's memory and pushed out of it. */
  readonly evictedBytes: number;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Several descriptors of one client say the same: it counts once. What is no DRM descriptor is passed over. */
export function drmClientsOf(fdinfo: readonly string[]): DrmClient[] {
  const clients = new Map<string, DrmClient>();
  for (const text of fdinfo) {
    const fields = fieldsOf(text);
    const driver = fields.get("drm-driver");
    const id = fields.get("drm-client-id");
    if (driver === undefined || id === undefined) continue;
    const device = fields.get("drm-pdev") ?? "";
    clients.set(`${driver} ${device} ${id}`, { driver, device, ...bytesOf(fields) });
  }
  return [...clients.values()];
}

function fieldsOf(text: string): Map<string, string> {
  return new Map(text.split("\n").flatMap((line) => {
    const [, name, value] = /^([a-z0-9-]+):\s*(.*?)\s*$/u.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  }));
}

function bytesOf(fields: ReadonlyMap<string, string>): Pick<DrmClient, "vramBytes" | "hostBytes" | "evictedBytes"> {
  const bytes = (...names: readonly string[]): number => {
    const name = names.find((one) => fields.has(one));
    return name === undefined ? 0 : amount(fields.get(name) ?? "");
  };
  const vramBytes = bytes("drm-resident-vram", "drm-resident-vram0", "drm-memory-vram");
  const hostBytes = bytes("drm-resident-gtt", "drm-memory-gtt") + bytes("drm-resident-system", "drm-resident-cpu", "drm-memory-cpu");
  const requested = fields.has("amd-requested-vram") ? Math.max(0, bytes("amd-requested-vram") - vramBytes) : 0;
  return { vramBytes, hostBytes, evictedBytes: Math.max(bytes("amd-evicted-vram"), requested) };
}

function amount(text: string): number {
  const [, digits, unit = ""] = /^(\d+)(?: (KiB|MiB|GiB))?$/u.exec(text) ?? [];
  return digits === undefined ? 0 : Number(digits) * (UNITS[unit] ?? 1);
}
