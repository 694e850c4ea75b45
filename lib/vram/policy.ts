/** The policy: what a device and its memory must be, and what is done when they are not. */
import { hash } from "node:crypto";
import type { AuditPolicy } from "../audit/events.ts";
import { bagOf } from "../option-bag.ts";
import { oneOf, optional, whole } from "../options.ts";
import { VERSION } from "../native.ts";
import type { NativeVramPolicy } from "./native.ts";

/** What is demanded of a device, of its memory and of evidence. Managed and host memory are refused whatever it says. */
export interface VramPolicy {
  /** Refuse devices whose memory does not correct errors, or does not say. Default false. */
  readonly requireEcc?: boolean | undefined;
  /** Refuse drivers that cannot make the device's own mapping read-only. Default false. */
  readonly requireReadOnly?: boolean | undefined;
  /** Accept integrated devices and processors: what lies there is called `unified`, never `resident`. Default false. */
  readonly allowUnified?: boolean | undefined;
  /** Bytes that must stay free on the device. Default 0. */
  readonly headroomBytes?: number | undefined;
  /** The least fraction of the bytes, 0 to 1, that a timed check must prove to lie on the device. Default: only reported. */
  readonly residentFractionMin?: number | undefined;
  /** Pages that may answer as slowly as host memory. Default 0. */
  readonly slowPagesMax?: number | undefined;
  /** A check that takes so many times what it took at the seal is slow. Default 4. */
  readonly slowFactor?: number | undefined;
  /** How often a slow check is tried before it is `inconclusive`. Default 3. */
  readonly triesMax?: number | undefined;
  /**
   * When a check finds a seal broken: "throw" a VramError; "free" the memory first; or give out the evidence as an "event" alone.
   * The CRITICAL event is recorded in any case. Default "throw".
   */
  readonly onViolation?: OnViolation | undefined;
}

export type OnViolation = "throw" | "free" | "event";

export interface ParsedVramPolicy {
  readonly native: NativeVramPolicy;
  readonly onViolation: OnViolation;
}

const TRIES_MAX = 100;
const SLOW_FACTOR_MAX = 1000;
const NAMES = new Set<string>([
  "requireEcc", "requireReadOnly", "allowUnified", "headroomBytes", "residentFractionMin", "slowPagesMax", "slowFactor", "triesMax", "onViolation",
] as const satisfies readonly (keyof VramPolicy)[]);

/** @throws TypeError that names the option */
export function parseVramPolicy(given: unknown): ParsedVramPolicy {
  const bag = bagOf(given ?? {}, "policy", NAMES);
  const flag = (name: keyof VramPolicy): boolean => optional(bag[name], `policy.${name}`, "boolean") ?? false;
  const count = (name: keyof VramPolicy, otherwise: number, least: number, most: number): number =>
    whole(bag[name] ?? otherwise, `policy.${name}`, least, most);
  const fraction = bag["residentFractionMin"];
  return {
    native: {
      requireEcc: flag("requireEcc"),
      requireReadOnly: flag("requireReadOnly"),
      allowUnified: flag("allowUnified"),
      headroomBytes: count("headroomBytes", 0, 0, Number.MAX_SAFE_INTEGER),
      ...(fraction === undefined ? {} : { residentFractionMin: numberIn(fraction, "policy.residentFractionMin", 0, 1) }),
      slowPagesMax: count("slowPagesMax", 0, 0, Number.MAX_SAFE_INTEGER),
      slowFactor: numberIn(bag["slowFactor"] ?? 4, "policy.slowFactor", 1, SLOW_FACTOR_MAX),
      triesMax: count("triesMax", 3, 1, TRIES_MAX),
    },
    onViolation: oneOf(bag["onViolation"] ?? "throw", "policy.onViolation", ["throw", "free", "event"]),
  };
}

/** A finite number of this range, both ends included. @throws TypeError that names the option */
export function numberIn(value: unknown, name: string, least: number, most: number): number {
  if (typeof value === "number" && value >= least && value <= most) return value;
  throw new TypeError(`${name} must be a number from ${least} to ${most}`);
}

/** The rules as a digest that can be compared between records: SHA-256 of one line of JSON with its keys in this order. */
export function vramPolicyOf({ native, onViolation }: ParsedVramPolicy): AuditPolicy {
  const { residentFractionMin = null, ...rules } = native;
  const text = JSON.stringify({ id: POLICY_ID, version: VERSION, ...rules, residentFractionMin, onViolation });
  return { id: POLICY_ID, version: VERSION, digest: hash("sha256", text, "hex") };
}

const POLICY_ID = "vram-seal";
