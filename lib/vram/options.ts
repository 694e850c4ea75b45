/** Options about GPU memory, parsed once: what leaves this file is typed, bounded and complete. */
import { bagOf, CALL_NAMES, oneOf, optional, parseCallOptions, signalOf } from "../options.ts";
import type { CallOptions, ParsedCall, ParsedJudge } from "../options.ts";
import type { BackendName } from "./native.ts";
import { numberIn, parseVramPolicy } from "./policy.ts";
import type { ParsedVramPolicy, VramPolicy } from "./policy.ts";

/** Which device; nothing for the one with the most free memory of those that may be used. */
export interface PlaceOptions {
  /** A UUID as `vramDevices` gives it, such as `GPU-12345678-…`. */
  readonly device?: string | undefined;
  /** The interface. Default: CUDA where it knows the device, else Vulkan. */
  readonly backend?: BackendName | undefined;
  readonly policy?: VramPolicy | undefined;
}

/** As for `load`, and where to seal. */
export interface SealOptions extends CallOptions, PlaceOptions {}

export interface ShardVerifyOptions {
  /** Default "full". */
  readonly level?: "quick" | "sample" | "full" | undefined;
  /** The fraction of the tiles for "sample", more than 0 and at most 1. Default 0.01. */
  readonly p?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ScrubOptions {
  /** The fraction of the time that the device works on it, more than 0 and at most 1. Default 0.01. */
  readonly dutyCycle?: number | undefined;
  /** How long one step may hold the device, in milliseconds; a step ends with the slice that it has begun. Default 20. */
  readonly budgetMs?: number | undefined;
  /** Stops it. */
  readonly signal?: AbortSignal | undefined;
}

/** As for `verifyRanges`: which device, and how to stop it. */
export interface ForeignOptions extends PlaceOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ParsedPlace {
  readonly device: string | undefined;
  readonly backend: BackendName | undefined;
  readonly policy: ParsedVramPolicy;
}

export interface ParsedSeal {
  readonly call: ParsedCall;
  readonly place: ParsedPlace;
}

export interface ParsedVerify {
  readonly level: "quick" | "sample" | "full";
  readonly p: number | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface ParsedScrub {
  readonly dutyCycle: number;
  readonly budgetMs: number;
  readonly signal: AbortSignal | undefined;
}

const PLACE_NAMES = ["device", "backend", "policy"] as const satisfies readonly (keyof PlaceOptions)[];
const SEAL_NAMES = new Set([...CALL_NAMES, ...PLACE_NAMES]);
const FOREIGN_NAMES = new Set<string>([...PLACE_NAMES, "signal"]);
const VERIFY_NAMES = new Set(["level", "p", "signal"]);
const SCRUB_NAMES = new Set(["dutyCycle", "budgetMs", "signal"]);
const CHALLENGE_NAMES = new Set(["signal"]);

/** `GPU-` and a UUID, or its 32 digits in any grouping, as drivers and their tools print it. */
export const DEVICE_UUID: RegExp = /^(?:GPU-|MIG-)?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/iu;
const SAMPLE_DEFAULT = 0.01;
const DUTY_DEFAULT = 0.01;
const BUDGET_DEFAULT_MS = 20;
const BUDGET_MAX_MS = 60_000;
const NONCE_BYTES = 32;

/** @throws TypeError that names the option; nothing was opened. */
export function parseSealOptions(given: unknown, defaults: ParsedJudge): ParsedSeal {
  const { device, backend, policy, ...call } = bagOf(given ?? {}, "options", SEAL_NAMES);
  return { call: parseCallOptions(call, defaults), place: placeOf({ device, backend, policy }) };
}

/** @throws TypeError that names the option */
export function parseForeignOptions(given: unknown): { readonly place: ParsedPlace; readonly signal: AbortSignal | undefined } {
  const bag = bagOf(given ?? {}, "options", FOREIGN_NAMES);
  return { place: placeOf(bag), signal: signalOf(bag["signal"]) };
}

/** @throws TypeError that names the option */
export function parseShardVerify(given: unknown): ParsedVerify {
  const bag = bagOf(given ?? {}, "options", VERIFY_NAMES);
  const level = oneOf(bag["level"] ?? "full", "level", ["quick", "sample", "full"]);
  if (bag["p"] !== undefined && level !== "sample") throw new TypeError('p goes with level: "sample"');
  return { level, p: level === "sample" ? fraction(bag["p"] ?? SAMPLE_DEFAULT, "p") : undefined, signal: signalOf(bag["signal"]) };
}

/** @throws TypeError that names the option */
export function parseScrubOptions(given: unknown): ParsedScrub {
  const bag = bagOf(given ?? {}, "options", SCRUB_NAMES);
  return {
    dutyCycle: fraction(bag["dutyCycle"] ?? DUTY_DEFAULT, "dutyCycle"),
    budgetMs: numberIn(bag["budgetMs"] ?? BUDGET_DEFAULT_MS, "budgetMs", 0, BUDGET_MAX_MS),
    signal: signalOf(bag["signal"]),
  };
}

/** @throws TypeError: a nonce that is too short can be prepared for */
export function parseChallenge(nonce: unknown, given: unknown): { readonly nonce: Uint8Array; readonly signal: AbortSignal | undefined } {
  if (!(nonce instanceof Uint8Array) || nonce.length !== NONCE_BYTES) throw new TypeError(`nonce must be ${NONCE_BYTES} random bytes, in a Buffer or Uint8Array`);
  return { nonce: Uint8Array.from(nonce), signal: signalOf(bagOf(given ?? {}, "options", CHALLENGE_NAMES)["signal"]) };
}

function placeOf(bag: Readonly<Record<string, unknown>>): ParsedPlace {
  const device = optional(bag["device"], "device", "string");
  if (device !== undefined && !DEVICE_UUID.test(device)) throw new TypeError("device must be the UUID of a device, as vramDevices() gives it");
  const backend = bag["backend"];
  return {
    device,
    backend: backend === undefined ? undefined : oneOf<BackendName>(backend, "backend", ["cuda", "vulkan"]),
    policy: parseVramPolicy(bag["policy"]),
  };
}

function fraction(value: unknown, name: string): number {
  if (value === 0) throw new TypeError(`${name} must be more than 0`);
  return numberIn(value, name, 0, 1);
}
