/** One verified model as the measure of what engines hold of it in GPU memory. */
import type { GgufView } from "../gguf-view.ts";
import { bagOf } from "../option-bag.ts";
import { whole } from "../options.ts";
import type { NativeModel } from "../native.ts";
import type { VramDesk } from "./desk.ts";
import { parseRanges } from "./foreign.ts";
import type { ForeignRange, ForeignReport } from "./foreign.ts";
import { expectedOffload, judgeOffload } from "./offload.ts";
import type { OffloadReport } from "./offload.ts";
import type { Evidence } from "./evidence.ts";
import { parseForeignOptions, parseSpotCheck } from "./options.ts";
import type { ForeignOptions, SpotCheckOptions } from "./options.ts";
import { Shard } from "./shard.ts";
import { memorySnapshot } from "./snapshot.ts";
import type { Subject } from "./trail.ts";

export interface OffloadOptions {
  /** Layers that the engine is told to put on the GPU. */
  readonly gpuLayers: number;
}

/** What the load gave, and what memory did meanwhile. */
export interface Offloaded<T> {
  readonly result: T;
  readonly report: OffloadReport;
}

const OFFLOAD_NAMES = new Set(["gpuLayers"]);

export class ModelVram {
  readonly #desk: VramDesk;
  /** One a file of the model. */
  readonly #models: readonly NativeModel[];
  readonly #gguf: GgufView;
  readonly #subject: Omit<Subject, "policy">;

  constructor(desk: VramDesk, models: readonly NativeModel[], gguf: GgufView, subject: Omit<Subject, "policy">) {
    this.#desk = desk;
    this.#models = models;
    this.#gguf = gguf;
    this.#subject = subject;
  }

  async verifyRanges(ranges: readonly ForeignRange[], options: ForeignOptions | undefined): Promise<ForeignReport> {
    const parsed = { ranges: parseRanges(ranges), ...parseForeignOptions(options) };
    return this.#desk.verifyRanges({ ...parsed, models: this.#models, gguf: this.#gguf, subject: this.#subject });
  }

  /** Random tiles of the shard held against those of the model's files. */
  async spotCheck(shard: Shard, options: SpotCheckOptions | undefined): Promise<Evidence> {
    const asked = parseSpotCheck(options);
    return Shard.spotCheck(shard, this.#models, asked);
  }

  async measureOffload<T>(options: OffloadOptions, load: () => Promise<T>): Promise<Offloaded<T>> {
    const bag = bagOf(options, "options", OFFLOAD_NAMES);
    const expected = expectedOffload(this.#gguf, { gpuLayers: whole(bag["gpuLayers"], "gpuLayers", 0, Number.MAX_SAFE_INTEGER) });
    if (typeof load !== "function") throw new TypeError(`load must be a function, not ${typeof load}`);
    const before = await memorySnapshot();
    const result = await load();
    const report = judgeOffload(expected, before, await memorySnapshot());
    await this.#desk.recordOffload(this.#subject, report);
    return { result, report };
  }
}
