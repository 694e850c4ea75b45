/**
 * Lint of the settings that make engines spill weights out of GPU memory, before anything is loaded.
 * Pure: it says what the settings allow to happen, and nothing of what has happened.
 */
import type { GgufView } from "../gguf-view.ts";
import type { VramDevice } from "./device.ts";
import { blockCountOf } from "./offload.ts";

export type OffloadLintRule =
  | "unified-memory-requested"
  | "layers-left-behind"
  | "no-layers"
  | "no-vram"
  | "integrated"
  | "wddm"
  | "shared-page-tables"
  | "host-pages-reachable"
  | "too-small";

export interface OffloadLint {
  readonly rule: OffloadLintRule;
  /** "error": weights will not all lie in GPU memory. "warning": they may leave it, and no error will say so. */
  readonly severity: "error" | "warning";
  /** What it means and what to do. */
  readonly message: string;
  /** The device that it is about. */
  readonly deviceUuid?: string;
}

export interface OffloadSettings {
  /** Layers that the engine is told to put on the GPU: llama.cpp's `n_gpu_layers`. Absent: the engine decides. */
  readonly gpuLayers?: number | undefined;
  /** The model's header, to know how many layers there are. */
  readonly gguf?: GgufView | undefined;
  readonly devices: readonly VramDevice[];
  /** The environment that the engine will see. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Bytes that the engine will need on the device, to be held against what is free. */
  readonly expectedBytes?: number | undefined;
}

/** Empty where nothing of the kind is set. It is no proof that nothing spills: that takes `verifyRanges`. */
export function lintOffload(settings: OffloadSettings): OffloadLint[] {
  return [...envLint(settings), ...layerLint(settings), ...settings.devices.flatMap(deviceLint), ...roomLint(settings)];
}

/** ggml looks whether the variable is there, not what it says: `=0` switches it on too. */
function envLint({ env }: OffloadSettings): OffloadLint[] {
  const value = env["GGML_CUDA_ENABLE_UNIFIED_MEMORY"];
  if (value === undefined) return [];
  const off = /^(?:0|false|off|no|)$/iu.test(value) ? " (ggml only looks whether it is set: this value does not switch it off)" : "";
  return [error("unified-memory-requested", `GGML_CUDA_ENABLE_UNIFIED_MEMORY is set${off}: weights go to managed memory, which the driver may keep in RAM; unset it`)];
}

function layerLint({ gpuLayers, gguf }: OffloadSettings): OffloadLint[] {
  if (gpuLayers === undefined) return [];
  if (gpuLayers === 0) return [error("no-layers", "gpuLayers is 0: no weights are to lie on the GPU at all")];
  const blocks = gguf === undefined ? undefined : blockCountOf(gguf);
  if (blocks === undefined || gpuLayers > blocks) return [];
  return [error("layers-left-behind", `gpuLayers is ${gpuLayers} and the model has ${blocks} layers and an output layer: set it to ${blocks + 1} or more, or weights stay in RAM`)];
}

function deviceLint(device: VramDevice): OffloadLint[] {
  const { kind, driverModel, addressing, uuid, name } = device;
  const of = (lint: OffloadLint): OffloadLint => ({ ...lint, deviceUuid: uuid });
  return [
    ...(kind === "integrated" ? [of(warning("integrated", `${name} is integrated: its memory is the host's, and "on the GPU" means nothing there`))] : []),
    ...(driverModel === "wddm" || driverModel === "mcdm"
      ? [of(warning("wddm", `${name} runs under ${driverModel.toUpperCase()}: Windows may move or create its memory in RAM, and no call says so; switch "CUDA - Sysmem Fallback Policy" to "Prefer No Sysmem Fallback"`))]
      : []),
    ...(addressing === "ats" ? [of(warning("shared-page-tables", `${name} shares its page tables with the host: a pointer says nothing about where its pages lie`))] : []),
    ...(addressing === "hmm" ? [of(warning("host-pages-reachable", `${name} can reach any page of the process (HMM): weights that were never copied work too, slowly`))] : []),
  ];
}

function roomLint({ devices, expectedBytes }: OffloadSettings): OffloadLint[] {
  const real = devices.filter(({ isVram }) => isVram);
  if (real.length === 0) return [error("no-vram", "no device here has memory of its own; the engine will work in RAM, whatever it is told")];
  if (expectedBytes === undefined || real.some(({ freeBytes }) => freeBytes === undefined)) return [];
  const free = sumOverGpus(real);
  if (free >= expectedBytes) return [];
  return [error("too-small", `the weights need ${expectedBytes} bytes and ${free} are free on all devices together: the engine will fail or spill`)];
}

/** A GPU that both interfaces show is one GPU. */
function sumOverGpus(devices: readonly VramDevice[]): number {
  const free = new Map(devices.map(({ uuid, freeBytes = 0 }) => [uuid, freeBytes]));
  return [...free.values()].reduce((sum, bytes) => sum + bytes, 0);
}

function error(rule: OffloadLintRule, message: string): OffloadLint {
  return { rule, severity: "error", message };
}

function warning(rule: OffloadLintRule, message: string): OffloadLint {
  return { rule, severity: "warning", message };
}
