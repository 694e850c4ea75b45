/** Options about GPU memory, parsed once: what leaves this file is typed, bounded and complete. */
import { bagOf } from "../option-bag.ts";
import { CALL_NAMES, oneOf, optional, parseCallOptions, signalOf, whole } from "../options.ts";
import type { CallOptions, ParsedCall, ParsedJudge } from "../options.ts";
import type { BackendName, NativeCheckAsk } from "./native.ts";
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

export interface ChallengeOptions {
  /**
   * "fresh-mac" (default): the MAC over all tile values, which {@link TileList.response} foretells. "book": the keyed digest of all
   * bytes, which only an entry of {@link Shard.book} foretells.
   */
  readonly method?: "fresh-mac" | "book" | undefined;
  /** The entry's answer, 64 hex digits: it is compared here, and another one breaks the seal. Without it nothing is compared. */
  readonly answer?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SpotCheckOptions {
  /** The fraction of the tiles, more than 0 and at most 1. Default 0.01. */
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

export interface ParsedCheck {
  readonly ask: NativeCheckAsk;
  readonly signal: AbortSignal | undefined;
}

export interface ParsedSpotCheck {
  readonly p: number;
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
const CHALLENGE_NAMES = new Set(["method", "answer", "signal"]);
const SPOT_NAMES = new Set(["p", "signal"]);
const BOOK_NAMES = new Set(["signal"]);

/** `GPU-` and a UUID, or its 32 digits in any grouping, as drivers and their tools print it. */
export const DEVICE_UUID: RegExp = /^(?:GPU-|MIG-)?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/iu;
const SAMPLE_DEFAULT = 0.01;
export const DUTY_DEFAULT = 0.01;
export const BUDGET_DEFAULT_MS = 20;
const BUDGET_MAX_MS = 60_000;
const NONCE_BYTES = 32;
/** Each is a tour over all bytes. */
const BOOK_ENTRIES_MAX = 1024;

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
export function parseShardVerify(given: unknown): ParsedCheck {
  const bag = bagOf(given ?? {}, "options", VERIFY_NAMES);
  const level = oneOf(bag["level"] ?? "full", "level", ["quick", "sample", "full"]);
  if (bag["p"] !== undefined && level !== "sample") throw new TypeError('p goes with level: "sample"');
  return { ask: { level, ...(level === "sample" ? { p: fraction(bag["p"] ?? SAMPLE_DEFAULT, "p") } : {}) }, signal: signalOf(bag["signal"]) };
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
export function parseChallenge(nonce: unknown, given: unknown): ParsedCheck {
  const bag = bagOf(given ?? {}, "options", CHALLENGE_NAMES);
  const answer = bag["answer"] === undefined ? undefined : digestBytes(bag["answer"], "answer");
  const method = oneOf(bag["method"] ?? (answer === undefined ? "fresh-mac" : "book"), "method", ["fresh-mac", "book"]);
  if (answer !== undefined && method !== "book") throw new TypeError('answer goes with method: "book": tile lists are compared by who holds them');
  const level = method === "book" ? "book" : "challenge";
  return { ask: { level, nonce: digestBytes(nonce, "nonce"), ...(answer === undefined ? {} : { answer }) }, signal: signalOf(bag["signal"]) };
}

/** @throws TypeError that names the option */
export function parseSpotCheck(given: unknown): ParsedSpotCheck {
  const bag = bagOf(given ?? {}, "options", SPOT_NAMES);
  return { p: fraction(bag["p"] ?? SAMPLE_DEFAULT, "p"), signal: signalOf(bag["signal"]) };
}

/** @throws TypeError that names the option */
export function parseBook(entries: unknown, given: unknown): { readonly entries: number; readonly signal: AbortSignal | undefined } {
  const bag = bagOf(given ?? {}, "options", BOOK_NAMES);
  return { entries: whole(entries, "entries", 1, BOOK_ENTRIES_MAX), signal: signalOf(bag["signal"]) };
}

/** 32 bytes, copied, or of 64 hex digits. @throws TypeError */
export function digestBytes(given: unknown, name: string): Uint8Array {
  if (given instanceof Uint8Array && given.length === NONCE_BYTES) return Uint8Array.from(given);
  if (typeof given === "string" && /^[0-9a-f]{64}$/iu.test(given)) return Uint8Array.from(Buffer.from(given, "hex"));
  throw new TypeError(`${name} must be ${NONCE_BYTES} bytes in a Buffer or Uint8Array, or 64 hex digits`);
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
