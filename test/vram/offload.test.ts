/** What an engine's load must show in the counters: pure functions over headers and snapshots. */
import { describe, expect, test } from "vitest";
import type { GgufView } from "../../lib/gguf-view.ts";
import { lintOffload } from "../../lib/vram/lint.ts";
import type { OffloadSettings } from "../../lib/vram/lint.ts";
import { expectedOffload, judgeOffload } from "../../lib/vram/offload.ts";
import { hostUseOf, memorySnapshot, usesOf } from "../../lib/vram/snapshot.ts";
import type { DeviceUse, HostUse, MemorySnapshot } from "../../lib/vram/snapshot.ts";
import type { VramDevice } from "../../lib/vram/device.ts";

const GPU: VramDevice = { backend: "cuda", index: 0, name: "A GPU", uuid: "GPU-1", totalBytes: 100e9, freeBytes: 80e9, kind: "discrete", driver: "550", api: "12.4", canProtect: true, isVram: true };

/** A header as far as offloading looks at it: bytes by tensor. */
function header(tensors: Readonly<Record<string, number>>, blocks: number | null = 2): GgufView {
  return {
    architecture: "llama",
    metadata: (key: string) => (key === "llama.block_count" ? (blocks ?? undefined) : undefined),
    tensors: Object.entries(tensors).map(([name, bytes]) => ({ name, bytes, type: "f32", shape: [1n], offset: 0 })),
  } as unknown as GgufView;
}

const TENSORS = { "token_embd.weight": 1_000, "blk.0.attn.weight": 10, "blk.0.ffn.weight": 20, "blk.1.attn.weight": 100, "output_norm.weight": 1, "output.weight": 5_000 };

describe("expected on the GPU", () => {
  test.each([
    [0, 0, 0],
    [1, 100, 5_001],
    [2, 130, 5_101],
    [3, 5_131, 5_131],
    [99, 5_131, 5_131],
  ])("for %i layers of 2 are %i to %i bytes: versions of llama.cpp count the output layer last or first", (gpuLayers, leastBytes, mostBytes) => {
    expect(expectedOffload(header(TENSORS), { gpuLayers })).toEqual({ leastBytes, mostBytes, totalBytes: 6_131, blockCount: 2 });
  });

  test("is the input embedding too where it is the output as well", () => {
    const tied = Object.fromEntries(Object.entries(TENSORS).filter(([name]) => name !== "output.weight"));
    expect(expectedOffload(header(tied), { gpuLayers: 99 })).toMatchObject({ leastBytes: 1_131, mostBytes: 1_131 });
  });

  test("is not known where the header has no number of layers", () => {
    const blockless = header(TENSORS, null);
    expect(expectedOffload(blockless, { gpuLayers: 3 })).toEqual({ leastBytes: 0, mostBytes: 6_131, totalBytes: 6_131, blockCount: undefined });
  });

  test("takes a number of layers and nothing else", () => {
    for (const gpuLayers of [-1, 1.5, NaN]) expect(() => expectedOffload(header(TENSORS), { gpuLayers })).toThrow(TypeError);
  });
});

const GB = 1e9;
const HOST: HostUse = { gpuVisibleBytes: 0, evictedBytes: 0, anonymousBytes: GB };

function snapshot(device: Partial<DeviceUse> | undefined, host: Partial<HostUse> = {}): MemorySnapshot {
  const devices = device === undefined ? [] : [{ deviceUuid: "GPU-1", usedBytes: 0, processBytes: undefined, evictedBytes: undefined, ...device }];
  return { at: new Date(0), devices, host: { ...HOST, ...host } };
}

describe("a load", () => {
  const expected = { leastBytes: 10 * GB, mostBytes: 10 * GB, totalBytes: 11 * GB, blockCount: 32 };
  test.each([
    ["that grew by all of it", { usedBytes: GB }, { usedBytes: 12 * GB }, {}, "as-expected", 11 * GB],
    ["that grew by all of it in this process", { usedBytes: GB, processBytes: 0 }, { usedBytes: 0, processBytes: 10 * GB }, {}, "as-expected", 10 * GB],
    ["that grew by a hair less", { usedBytes: 0 }, { usedBytes: 9.9 * GB }, {}, "as-expected", 9.9 * GB],
    ["that grew by half", { usedBytes: 0 }, { usedBytes: 5 * GB }, {}, "short", 5 * GB],
    ["that did not grow: the CPU does the work", { usedBytes: GB }, { usedBytes: GB }, {}, "short", 0],
    ["whose device lost memory to nobody knows whom", { usedBytes: 5 * GB }, { usedBytes: GB }, {}, "inconclusive", -4 * GB],
    ["that put as much in host memory of the GPU", { usedBytes: 0 }, { usedBytes: 10 * GB }, { gpuVisibleBytes: 9 * GB }, "spilled", 10 * GB],
    ["that pushed memory out", { usedBytes: 0 }, { usedBytes: 10 * GB }, { evictedBytes: 3 * GB }, "spilled", 10 * GB],
    ["that staged a little in host memory", { usedBytes: 0 }, { usedBytes: 10 * GB }, { gpuVisibleBytes: 0.1 * GB }, "as-expected", 10 * GB],
    ["on a driver that counts nothing", { usedBytes: undefined }, { usedBytes: undefined }, {}, "inconclusive", undefined],
    ["without a device", undefined, undefined, {}, "inconclusive", undefined],
  ] as const)("%s", (_, before, after, host, verdict, deviceBytes) => {
    const report = judgeOffload(expected, snapshot(before), snapshot(after, host));
    expect(report).toMatchObject({ verdict, deviceBytes });
    expect(report.reasons.length).toBeGreaterThan(0);
  });

  test("of a model with no number of layers cannot be short", () => {
    const unknown = { ...expected, leastBytes: 0, blockCount: undefined };
    expect(judgeOffload(unknown, snapshot({ usedBytes: 0 }), snapshot({ usedBytes: 0 })).verdict).toBe("inconclusive");
  });
});

test("host memory is what the system says, and no zero where it says nothing", () => {
  expect(hostUseOf("Name:\tnode\nRssAnon:\t  1024 kB\n", {})).toEqual({ gpuVisibleBytes: undefined, evictedBytes: undefined, anonymousBytes: 2 ** 20 });
  expect(hostUseOf("", { hostBytes: 3, evictedBytes: 2 })).toEqual({ gpuVisibleBytes: 3, evictedBytes: 2, anonymousBytes: undefined });
});

test("a snapshot asks the system", async () => {
  expect((await memorySnapshot()).host.anonymousBytes).toBeGreaterThan(2 ** 20);
});

test("a GPU that two interfaces show is used once, and memory that is the host's is none", () => {
  const unified: VramDevice = { ...GPU, uuid: "GPU-2", kind: "integrated", isVram: false };
  expect(usesOf([GPU, { ...GPU, backend: "vulkan" }, unified])).toEqual([{ deviceUuid: "GPU-1", usedBytes: 20e9, processBytes: undefined, evictedBytes: undefined }]);
});

describe("lint", () => {
  const good: OffloadSettings = { gpuLayers: 3, gguf: header(TENSORS), devices: [GPU], env: {}, expectedBytes: 10e9 };
  test("of good settings is silent", () => {
    expect(lintOffload(good)).toEqual([]);
    expect(lintOffload({ devices: [GPU], env: {} })).toEqual([]);
  });

  test.each([
    [{ env: { GGML_CUDA_ENABLE_UNIFIED_MEMORY: "1" } }, "unified-memory-requested", "error", "unset it"],
    [{ env: { GGML_CUDA_ENABLE_UNIFIED_MEMORY: "0" } }, "unified-memory-requested", "error", "does not switch it off"],
    [{ env: { GGML_CUDA_ENABLE_UNIFIED_MEMORY: "" } }, "unified-memory-requested", "error", "does not switch it off"],
    [{ gpuLayers: 2 }, "layers-left-behind", "error", "set it to 3 or more"],
    [{ gpuLayers: 0 }, "no-layers", "error", "gpuLayers is 0"],
    [{ devices: [] }, "no-vram", "error", "no device here"],
    [{ devices: [GPU, { ...GPU, uuid: "GPU-2", kind: "integrated", isVram: false }] }, "integrated", "warning", "is integrated"],
    [{ devices: [{ ...GPU, driverModel: "wddm" }] }, "wddm", "warning", "Sysmem Fallback"],
    [{ devices: [{ ...GPU, addressing: "hmm" }] }, "host-pages-reachable", "warning", "HMM"],
    [{ devices: [{ ...GPU, addressing: "ats" }] }, "shared-page-tables", "warning", "page tables"],
    [{ expectedBytes: 81e9 }, "too-small", "error", "80000000000 are free"],
    [{ expectedBytes: 81e9, devices: [GPU, { ...GPU, backend: "vulkan" }] }, "too-small", "error", "80000000000 are free"],
  ] as const)("%j is %s", (change, rule, severity, message) => {
    const found = lintOffload({ ...good, ...change });
    expect(found).toMatchObject([{ rule, severity }]);
    expect(found[0]?.message).toContain(message);
  });
});
