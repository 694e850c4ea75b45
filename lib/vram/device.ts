/** The devices that drivers offer, and the choice of one. */
import { native } from "../native.ts";
import { VramError, vramError } from "./errors.ts";
import type { NativeDevice, NativeDevices } from "./native.ts";
import type { ParsedPlace } from "./options.ts";

export type { BackendName, DeviceKind } from "./native.ts";

/** What a driver says about one device. Bytes and bytes a second; what the driver does not say is absent. */
export interface VramDevice extends NativeDevice {
  /** True where its memory is its own: only that is ever called VRAM. */
  readonly isVram: boolean;
}

export interface VramDevices {
  readonly devices: readonly VramDevice[];
  /** Why there are no more: one error an interface that does not answer. */
  readonly absent: readonly VramError[];
}

/** Asks every driver anew, on a thread of its own. A machine without any is an answer, with the reasons in `absent`. */
export async function vramDevices(): Promise<VramDevices> {
  return devicesOf(await native.vramDevices());
}

/**
 * The device that a call is about, as {@link chooseDevice} chooses among all. Vulkan is asked, and its drivers loaded, only where
 * CUDA has no device for it.
 * @throws as {@link chooseDevice}
 */
export async function deviceFor(place: ParsedPlace): Promise<VramDevice> {
  const found = devicesOf(await native.vramDevices(place.backend ?? "cuda"));
  if (place.backend !== undefined || settles(found, place)) return chooseDevice(found, place);
  const more = devicesOf(await native.vramDevices("vulkan"));
  return chooseDevice({ devices: [...found.devices, ...more.devices], absent: [...found.absent, ...more.absent] }, place);
}

/** Whether no other interface's device could come before one of these. */
function settles({ devices }: VramDevices, { device }: ParsedPlace): boolean {
  return devices.some(({ isVram, uuid }) => (device === undefined ? isVram : sameUuid(uuid, device)));
}

function devicesOf({ devices, absent }: NativeDevices): VramDevices {
  return {
    devices: devices.map((device) => ({ ...device, isVram: device.notVram === undefined })),
    absent: absent.map((failure) => vramError(failure)),
  };
}

/**
 * The device that a call is about: the one named, or the one with the most free memory of those that may be used.
 * One that both interfaces know is used through CUDA.
 * @throws VramError VRAM_NO_DRIVER, VRAM_DRIVER_TOO_OLD or VRAM_NO_DEVICE
 */
export function chooseDevice({ devices, absent }: VramDevices, { device, backend, policy }: ParsedPlace): VramDevice {
  const offered = devices.filter((one) => (backend === undefined || one.backend === backend) && (device === undefined || sameUuid(one.uuid, device)));
  const usable = offered.filter(({ isVram }) => device !== undefined || isVram || policy.native.allowUnified);
  const [best] = [...usable].sort((a, b) => rank(b) - rank(a) || (b.freeBytes ?? 0) - (a.freeBytes ?? 0));
  return best ?? nothingFor({ devices, absent }, { device, backend });
}

/** Its own memory comes before the host's, CUDA before Vulkan. */
function rank({ isVram, backend }: VramDevice): number {
  return (isVram ? 2 : 0) + (backend === "cuda" ? 1 : 0);
}

function nothingFor({ devices, absent }: VramDevices, { device, backend }: Pick<ParsedPlace, "device" | "backend">): never {
  const [first] = absent;
  if (devices.length === 0 && first !== undefined) {
    throw new VramError(first.code, { message: `there is no GPU to seal in (${absent.map(({ message }) => message).join("; ")})` });
  }
  const seen = devices.map(({ name, uuid, notVram }) => `${name} ${uuid}${notVram === undefined ? "" : ` (${notVram})`}`).join("; ");
  const message = device === undefined
    ? `no device here has memory of its own: ${seen}`
    : `there is no device ${device}${backend === undefined ? "" : ` under ${backend}`}; there are: ${seen || "none"}`;
  throw new VramError("VRAM_NO_DEVICE", { message, ...(device === undefined ? {} : { deviceUuid: device }) });
}

function sameUuid(one: string, other: string): boolean {
  return digits(one) === digits(other);
}

function digits(uuid: string): string {
  return uuid.replace(/^(?:GPU-|MIG-)/iu, "").replaceAll("-", "").toLowerCase();
}
