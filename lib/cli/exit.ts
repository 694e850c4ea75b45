/** Exit codes, and which one stands when several files end differently. */
import type { ModelLoadErrorCode } from "../errors.ts";

export const EXIT = {
  VERIFIED: 0,
  REFUSED: 1,
  USAGE: 2,
  IO: 3,
  AUDIT: 4,
  /** The reader of our output went away (128 + SIGPIPE), as shells report it for other tools. */
  PIPE: 141,
} as const;

/** Codes that say nothing about the model: it could not be judged at all. */
const UNJUDGED: ReadonlySet<ModelLoadErrorCode> = new Set<ModelLoadErrorCode>([
  "NOT_FOUND", "PERMISSION_DENIED", "IO", "NOT_REGULAR_FILE", "PLATFORM_UNSUPPORTED", "INTERNAL", "ABORTED",
]);

/** A trail that cannot be written outweighs a refusal, a refusal outweighs a file that could not be read. */
const WORST_FIRST: readonly number[] = [EXIT.AUDIT, EXIT.REFUSED, EXIT.IO, EXIT.VERIFIED];

export function exitOf(code: ModelLoadErrorCode): number {
  if (code === "AUDIT_UNAVAILABLE") return EXIT.AUDIT;
  return UNJUDGED.has(code) ? EXIT.IO : EXIT.REFUSED;
}

/** The exit code of a run in which each of `codes` occurred. */
export function worst(codes: Iterable<number>): number {
  const seen = new Set(codes);
  return WORST_FIRST.find((code) => seen.has(code)) ?? EXIT.VERIFIED;
}
