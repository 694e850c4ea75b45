/** Which device a call is about: a pure choice over what drivers say. */
import { describe, expect, test } from "vitest";
import { chooseDevice } from "../../lib/vram/device.ts";
import type { VramDevice } from "../../lib/vram/device.ts";
import { VramError } from "../../lib/vram/errors.ts";
import { parseForeignOptions } from "../../lib/vram/options.ts";
import type { ForeignOptions } from "../../lib/vram/options.ts";

function device(digit: string, more: Partial<VramDevice> = {}): VramDevice {
  const uuid = `GPU-${digit.repeat(8)}-${digit.repeat(4)}-${digit.repeat(4)}-${digit.repeat(4)}-${digit.repeat(12)}`;
  return { backend: "cuda", index: 0, name: `GPU ${digit}`, uuid, totalBytes: 24e9, freeBytes: 20e9, kind: "discrete", driver: "550", api: "12.4", canProtect: true, isVram: true, ...more };
}

const LAVAPIPE = device("f", { backend: "vulkan", kind: "cpu", notVram: "it is a processor", isVram: false, freeBytes: 99e9, name: "llvmpipe" });
const SMALL = device("1", { freeBytes: 4e9 });
const LARGE = device("2");
const LARGE_TOO = device("2", { backend: "vulkan", canProtect: false });
const NO_DRIVER = new VramError("VRAM_NO_DRIVER", { message: "NVIDIA's driver is not installed" });

const choose = (devices: VramDevice[], options: ForeignOptions = {}, absent: VramError[] = []): VramDevice =>
  chooseDevice({ devices, absent }, parseForeignOptions(options).place);

describe("the device", () => {
  test("is the one with the most free memory of its own, through CUDA where it knows it", () => {
    expect(choose([LAVAPIPE, SMALL, LARGE_TOO, LARGE])).toBe(LARGE);
    expect(choose([LAVAPIPE, SMALL, LARGE], { policy: { allowUnified: true } })).toBe(LARGE);
    expect(choose([LARGE_TOO, LARGE], { backend: "vulkan" })).toBe(LARGE_TOO);
  });

  test("is the one that is named, whatever it is and however its UUID is written: the policy judges it", () => {
    expect(choose([LAVAPIPE, LARGE], { device: LAVAPIPE.uuid })).toBe(LAVAPIPE);
    expect(choose([LAVAPIPE, LARGE], { device: LARGE.uuid.slice(4).replaceAll("-", "").toUpperCase() })).toBe(LARGE);
  });

  test("is a processor only where that is allowed", () => {
    expect(choose([LAVAPIPE], { policy: { allowUnified: true } })).toBe(LAVAPIPE);
    expect(() => choose([LAVAPIPE])).toThrow(/no device here has memory of its own: llvmpipe GPU-f+.*processor/u);
  });

  test.each([
    ["there is no driver", [], {}, [NO_DRIVER], "VRAM_NO_DRIVER", "there is no GPU to seal in (NVIDIA's driver is not installed)"],
    ["there is none at all", [], {}, [], "VRAM_NO_DEVICE", "no device here has memory of its own"],
    ["none has this UUID", [LARGE], { device: SMALL.uuid }, [], "VRAM_NO_DEVICE", `there is no device ${SMALL.uuid}; there are: GPU 2 ${LARGE.uuid}`],
    ["not under this interface", [LARGE], { device: LARGE.uuid, backend: "vulkan" }, [], "VRAM_NO_DEVICE", "under vulkan"],
  ] as const)("is refused where %s", (_, devices, options, absent, code, message) => {
    const call = (): VramDevice => choose([...devices], options, [...absent]);
    expect(call).toThrow(expect.objectContaining({ code }) as Error);
    expect(call).toThrow(message);
  });
});
