/** What a `vram` command line about one file asks for. */
import { BUDGET_DEFAULT_MS, DEVICE_UUID, DUTY_DEFAULT } from "../vram/options.ts";
import type { SealOptions } from "../vram/options.ts";
import type { Grammar } from "./args.ts";
import { digest, parseCommand, UsageError, wholeNumber } from "./args.ts";
import type { BytePath } from "./byte-path.ts";
import { firstOf } from "./sets.ts";
import { didYouMean } from "./suggest.ts";
import { visible } from "./terminal.ts";

export interface VramAsk {
  readonly name: BytePath;
  readonly root: string | undefined;
  readonly auditFolder: string | undefined;
  /** The file of the secret that the seal is to bear the MAC of. */
  readonly sealKey: string | undefined;
  readonly json: boolean;
  readonly seal: SealOptions;
}

/** What all commands about a file take. */
const FLAGS = ["allow-software-device", "require-ecc", "require-read-only", "require-digest", "strict", "json"] as const;
const OPTIONS = ["device", "backend", "headroom-bytes", "resident-fraction-min", "root", "sha256", "seal-key", "audit", "actor", "correlation-id"] as const;

export const VRAM_SEAL_GRAMMAR: Grammar<string, string> = { flags: [...FLAGS, "hold"], options: OPTIONS };
export const VRAM_VERIFY_GRAMMAR: Grammar<string, string> = { flags: FLAGS, options: [...OPTIONS, "level", "p", "nonce"] };
export const VRAM_WATCH_GRAMMAR: Grammar<string, string> = { flags: FLAGS, options: [...OPTIONS, "duty", "budget-ms", "passes"] };

/** What was given of it. */
interface Given {
  readonly flags: ReadonlySet<string>;
  readonly options: ReadonlyMap<string, string>;
  readonly names: readonly BytePath[];
}

/** @throws UsageError */
export function parseSealCommand(args: readonly string[]): VramAsk & { readonly hold: boolean } {
  const parsed = parseCommand(args, VRAM_SEAL_GRAMMAR);
  return { ...askOf(parsed, "seal"), hold: parsed.flags.has("hold") };
}

export type CheckAsk =
  | { readonly level: "quick" | "full" }
  | { readonly level: "sample"; readonly p: number | undefined }
  | { readonly level: "challenge"; readonly nonce: Uint8Array | undefined };

/** @throws UsageError */
export function parseVerifyCommand(args: readonly string[]): VramAsk & { readonly check: CheckAsk } {
  const parsed = parseCommand(args, VRAM_VERIFY_GRAMMAR);
  return { ...askOf(parsed, "verify"), check: checkOf(parsed.options) };
}

/** @throws UsageError */
export function parseWatchCommand(args: readonly string[]): VramAsk & { readonly dutyCycle: number; readonly budgetMs: number; readonly passes: number | undefined } {
  const parsed = parseCommand(args, VRAM_WATCH_GRAMMAR);
  return {
    ...askOf(parsed, "watch"),
    dutyCycle: fraction(parsed.options.get("duty"), "duty") ?? DUTY_DEFAULT,
    budgetMs: wholeNumber(parsed.options.get("budget-ms"), "budget-ms") ?? BUDGET_DEFAULT_MS,
    passes: wholeNumber(parsed.options.get("passes"), "passes"),
  };
}

function askOf({ flags, options, names }: Given, command: string): VramAsk {
  const [name] = names;
  if (name === undefined) throw new UsageError(`vram ${command} needs the name of a file.`);
  if (names.length > 1) throw new UsageError(`vram ${command} takes one file at a time; run it once for each.`);
  return {
    // Whichever part of a split model is named, it is sealed by its first.
    name: firstOf(name), root: options.get("root"), auditFolder: options.get("audit"), sealKey: options.get("seal-key"), json: flags.has("json"),
    seal: {
      device: deviceOf(options.get("device")),
      backend: backendOf(options.get("backend")),
      sha256: digest(options.get("sha256"), "sha256"),
      actor: options.get("actor"), correlationId: options.get("correlation-id"),
      strict: flags.has("strict"), requireDigest: flags.has("require-digest"),
      policy: {
        allowUnified: flags.has("allow-software-device"),
        requireEcc: flags.has("require-ecc"),
        requireReadOnly: flags.has("require-read-only"),
        headroomBytes: wholeNumber(options.get("headroom-bytes"), "headroom-bytes"),
        residentFractionMin: fraction(options.get("resident-fraction-min"), "resident-fraction-min"),
      },
    },
  };
}

function checkOf(options: ReadonlyMap<string, string>): CheckAsk {
  const level = wordOf(options.get("level") ?? "full", "level", ["quick", "sample", "full", "challenge"]);
  const p = fraction(options.get("p"), "p");
  const nonce = nonceOf(options.get("nonce"));
  if (p !== undefined && level !== "sample") throw new UsageError("--p goes with --level sample.");
  if (nonce !== undefined && level !== "challenge") throw new UsageError("--nonce goes with --level challenge.");
  if (level === "sample") return { level, p };
  return level === "challenge" ? { level, nonce } : { level };
}

function deviceOf(text: string | undefined): string | undefined {
  if (text === undefined || DEVICE_UUID.test(text)) return text;
  throw new UsageError(`--device must be the UUID of a device, as vram devices lists it, not ${visible(text, 60)}.`);
}

function backendOf(text: string | undefined): "cuda" | "vulkan" | undefined {
  return text === undefined ? undefined : wordOf<"cuda" | "vulkan">(text, "backend", ["cuda", "vulkan"]);
}

function wordOf<T extends string>(text: string, option: string, known: readonly T[]): T {
  const found = known.find((one) => one === text);
  if (found !== undefined) return found;
  const near = didYouMean(text, known);
  throw new UsageError(`--${option} must be one of ${known.join(", ")}, not ${visible(text, 40)}.${near}`);
}

/** More than 0 and at most 1. */
function fraction(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d*\.?\d+$/u.test(text) ? Number(text) : NaN;
  if (value > 0 && value <= 1) return value;
  throw new UsageError(`--${option} must be a fraction such as 0.01, more than 0 and at most 1, not ${visible(text, 40)}.`);
}

function nonceOf(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9a-f]{64}$/iu.test(text)) return Buffer.from(text, "hex");
  throw new UsageError(`--nonce must be 64 hex digits, and ${visible(text, 80)} has ${text.length} characters.`);
}
