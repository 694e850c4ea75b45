/**
 * Accounting for weights that another library loads: what its GGUF and settings let one expect on the GPU, held against what
 * counters say before and after. Pure functions: a shortfall is a fact, a match is no proof of content.
 */
import type { GgufView, TensorInfo } from "../gguf-view.ts";
import type { MemorySnapshot } from "./snapshot.ts";

/** What an engine like llama.cpp puts on the GPU for a number of layers. Versions differ by one layer, hence two numbers. */
export interface ExpectedOffload {
  readonly leastBytes: number;
  readonly mostBytes: number;
  /** Bytes of all tensors of the file. */
  readonly totalBytes: number;
  /** Layers of the model without its output layer; undefined where the header does not say. */
  readonly blockCount: number | undefined;
}

export interface OffloadReport {
  /**
   * `as-expected`: memory grew as it must if all of it went to the GPU. `short`: by less. `spilled`: GPU memory of the host grew, or
   * the driver pushed memory out. `inconclusive`: no counter says, or other processes disturb it.
   */
  readonly verdict: "as-expected" | "short" | "spilled" | "inconclusive";
  /** In sentences: what was expected, and what was seen. */
  readonly reasons: readonly string[];
  readonly expected: ExpectedOffload;
  /** Growth of device memory, in bytes; of this process where the driver tells it, else of all. */
  readonly deviceBytes: number | undefined;
  readonly countedBy: "process" | "device" | undefined;
  /** Growth of host memory that a GPU can reach, in bytes, where the system tells it. */
  readonly hostVisibleBytes: number | undefined;
  /** Growth of what the driver has pushed out of device memory, in bytes. */
  readonly evictedBytes: number | undefined;
  /** Growth of the process's own anonymous memory, in bytes: weights that stayed behind are often here. */
  readonly hostAnonymousBytes: number | undefined;
}

/** Allocators round up, drivers keep books in pages: less than this is no sign. */
const TOLERANCE = 0.02;
const SPILL_MIN_BYTES = 64 * 2 ** 20;

/** The model's own number of layers. */
export function blockCountOf(gguf: GgufView): number | undefined {
  const { architecture } = gguf;
  const value = architecture === undefined ? undefined : gguf.metadata(`${architecture}.block_count`);
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : undefined;
}

/**
 * The last layers go to the GPU first. Older versions of llama.cpp count the output layer last, newer ones first; the input
 * embedding always stays with the host, unless the model has no output tensor and uses it as one.
 * @throws TypeError for a number of layers that is none
 */
export function expectedOffload(gguf: GgufView, { gpuLayers }: { readonly gpuLayers: number }): ExpectedOffload {
  if (!Number.isInteger(gpuLayers) || gpuLayers < 0) throw new TypeError("gpuLayers must be a whole number, 0 or more");
  const blockCount = blockCountOf(gguf);
  const tensors = [...gguf.tensors];
  const totalBytes = sum(tensors);
  if (blockCount === undefined) return { leastBytes: 0, mostBytes: gpuLayers === 0 ? 0 : totalBytes, totalBytes, blockCount };
  const tied = !tensors.some(({ name }) => name === "output.weight");
  const older = sum(tensors.filter((tensor) => onGpu(layerOf(tensor, blockCount, tied), blockCount - gpuLayers, gpuLayers)));
  const newer = sum(tensors.filter((tensor) => onGpu(layerOf(tensor, blockCount, tied), blockCount + 1 - gpuLayers, gpuLayers)));
  return { leastBytes: Math.min(older, newer), mostBytes: Math.max(older, newer), totalBytes, blockCount };
}

/** Growth that the load must show, held against growth that it showed. */
export function judgeOffload(expected: ExpectedOffload, before: MemorySnapshot, after: MemorySnapshot): OffloadReport {
  const { deviceBytes, countedBy } = deviceGrowth(before, after);
  const hostVisibleBytes = growth(before.host.gpuVisibleBytes, after.host.gpuVisibleBytes);
  const evictedBytes = growth(total(before, "evictedBytes") ?? before.host.evictedBytes, total(after, "evictedBytes") ?? after.host.evictedBytes);
  const hostAnonymousBytes = growth(before.host.anonymousBytes, after.host.anonymousBytes);
  const seen = { expected, deviceBytes, countedBy, hostVisibleBytes, evictedBytes, hostAnonymousBytes };
  return { ...verdictOf(seen), ...seen };
}

type Seen = Omit<OffloadReport, "verdict" | "reasons">;

function verdictOf(seen: Seen): Pick<OffloadReport, "verdict" | "reasons"> {
  const { expected, deviceBytes, countedBy, hostVisibleBytes = 0, evictedBytes = 0 } = seen;
  const wanted = `${expected.leastBytes === expected.mostBytes ? "" : `${expected.leastBytes} to `}${expected.mostBytes} bytes of weights`;
  const spilled = spills(expected, { "host memory that the GPU can reach grew by": hostVisibleBytes, "the driver has pushed out": evictedBytes });
  if (spilled.length > 0) return { verdict: "spilled", reasons: spilled };
  if (deviceBytes === undefined) return { verdict: "inconclusive", reasons: [`expected ${wanted} on the GPU; no driver counts its memory here`] };
  const grew = `${wanted} were expected on the GPU, and ${countedBy === "process" ? "this process's memory there" : "its used memory"} grew by ${deviceBytes}`;
  if (expected.blockCount === undefined) return { verdict: "inconclusive", reasons: [`${grew}; the header does not say how many layers there are`] };
  if (deviceBytes >= expected.leastBytes * (1 - TOLERANCE)) return { verdict: "as-expected", reasons: [grew] };
  // Others may have freed memory meanwhile, where only the sum over all processes is known.
  return deviceBytes < 0 ? { verdict: "inconclusive", reasons: [`${grew}: other processes freed memory meanwhile`] } : { verdict: "short", reasons: [grew] };
}

function spills(expected: ExpectedOffload, grown: Readonly<Record<string, number>>): string[] {
  const most = Math.max(SPILL_MIN_BYTES, expected.mostBytes * TOLERANCE);
  return Object.entries(grown).filter(([, bytes]) => bytes > most).map(([what, bytes]) => `${what} ${bytes} bytes`);
}

/** What this process holds, where every device tells it; otherwise what all processes hold. */
function deviceGrowth(before: MemorySnapshot, after: MemorySnapshot): Pick<OffloadReport, "deviceBytes" | "countedBy"> {
  const own = growth(total(before, "processBytes"), total(after, "processBytes"));
  if (own !== undefined) return { deviceBytes: own, countedBy: "process" };
  const all = growth(total(before, "usedBytes"), total(after, "usedBytes"));
  return { deviceBytes: all, countedBy: all === undefined ? undefined : "device" };
}

/** Of all devices; undefined where one does not say, or there is none. */
function total({ devices }: MemorySnapshot, what: "processBytes" | "usedBytes" | "evictedBytes"): number | undefined {
  const values = devices.map((device) => device[what]);
  return values.length === 0 || values.includes(undefined) ? undefined : values.reduce<number>((all, value) => all + (value ?? 0), 0);
}

function growth(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined ? undefined : after - before;
}

/** The layer that a tensor goes with: its block, or the number of blocks for the output layer; undefined for the input's. */
function layerOf({ name }: TensorInfo, blockCount: number, tied: boolean): number | undefined {
  const [, block] = /^blk\.(\d+)\./u.exec(name) ?? [];
  if (block !== undefined) return Number(block);
  if (name.startsWith("output")) return blockCount;
  return name === "token_embd.weight" && tied ? blockCount : undefined;
}

function onGpu(layer: number | undefined, first: number, count: number): boolean {
  const start = Math.max(first, 0);
  return layer !== undefined && layer >= start && layer - start < count;
}

function sum(tensors: readonly TensorInfo[]): number {
  return tensors.reduce((bytes, tensor) => bytes + tensor.bytes, 0);
}
