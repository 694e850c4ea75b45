/** What a `verify` or `protect` command line asks for. */
import { DIGEST_SOURCES } from "../digest-source/source.ts";
import type { CallOptions, DigestFrom, JudgeOptions } from "../options.ts";
import { GUARDS } from "../guard.ts";
import { digest, oneOf, parseCommand, UsageError, wholeNumber } from "./args.ts";
import type { BytePath } from "./byte-path.ts";
import { isOllamaName, requireOneModel } from "./jobs.ts";

export interface Ask {
  readonly action: "load" | "protect";
  readonly names: readonly BytePath[];
  readonly root: string | undefined;
  readonly auditFolder: string | undefined;
  readonly stateFolder: string | undefined;
  /** Whether a record proves an inode that nobody can have written to. */
  readonly identity: boolean;
  readonly json: boolean;
  readonly judge: JudgeOptions;
  readonly call: Pick<CallOptions, "actor" | "correlationId"> & { readonly sha256: string | undefined };
}

export const VERIFY_GRAMMAR = {
  flags: ["strict", "no-engine-safety", "require-digest", "identity", "json"],
  options: ["root", "sha256", "audit", "max-bytes", "min-guard", "state", "flat-digest", "digest-from", "actor", "correlation-id"],
} as const;

export const PROTECT_GRAMMAR = {
  flags: ["strict", "no-engine-safety", "no-require-digest", "json"],
  options: ["root", "sha256", "audit", "max-bytes", "state", "flat-digest", "digest-from", "actor", "correlation-id"],
} as const;

/** @throws UsageError */
export function parseVerify(args: readonly string[]): Ask {
  const { flags, options, names } = parseCommand(args, VERIFY_GRAMMAR);
  const identity = flags.has("identity");
  if (identity && !options.has("state")) throw new UsageError("--identity believes what --state recorded; name that folder too.");
  const requireDigest = flags.has("require-digest");
  const ask = asked("load", names, flags, options, { requireDigest, minGuard: oneOf(options.get("min-guard"), "min-guard", GUARDS) });
  return { ...ask, identity };
}

/** @throws UsageError */
export function parseProtect(args: readonly string[]): Ask {
  const { flags, options, names } = parseCommand(args, PROTECT_GRAMMAR);
  return asked("protect", names, flags, options, { requireDigest: !flags.has("no-require-digest") });
}

type SharedFlag = Extract<(typeof VERIFY_GRAMMAR.flags)[number], (typeof PROTECT_GRAMMAR.flags)[number]>;
type SharedOption = (typeof PROTECT_GRAMMAR.options)[number];

/** What the two commands have in common. */
function asked(
  action: Ask["action"],
  names: readonly BytePath[],
  flags: { has(flag: SharedFlag): boolean },
  options: { get(option: SharedOption): string | undefined },
  own: JudgeOptions,
): Ask {
  if (names.length === 0) throw new UsageError(`${action === "load" ? "verify" : "protect"} needs the name of a file or folder.`);
  const root = options.get("root");
  const sha256 = digest(options.get("sha256"), "sha256");
  if (sha256 !== undefined) requireOneModel(names, root);
  const digestFrom = digestSource(options.get("digest-from"));
  requireStore(names, root, digestFrom);
  return {
    action, names, root, auditFolder: options.get("audit"), stateFolder: options.get("state"), identity: false, json: flags.has("json"),
    judge: {
      ...own,
      digestFrom,
      strict: flags.has("strict"),
      engineSafety: !flags.has("no-engine-safety"),
      flatDigest: oneOf(options.get("flat-digest"), "flat-digest", ["always", "unless-recorded"]),
      maxBytes: wholeNumber(options.get("max-bytes"), "max-bytes"),
    },
    call: { sha256, actor: options.get("actor"), correlationId: options.get("correlation-id") },
  };
}

/** A source by its name, with the file to read behind a colon where there is one to choose. */
function digestSource(text: string | undefined): DigestFrom | undefined {
  if (text === undefined) return undefined;
  const colon = text.indexOf(":");
  if (colon < 0) return oneOf(text, "digest-from", DIGEST_SOURCES);
  const file = text.slice(colon + 1);
  if (file === "") throw new UsageError("--digest-from needs the name of a file behind the colon, or no colon.");
  return oneOf(text.slice(0, colon), "digest-from", ["sha256sums", "manifest"]) === "manifest" ? { manifest: file } : { sha256sums: file };
}

/** Names that are no paths need a store in which they are looked up. */
function requireStore(names: readonly BytePath[], root: string | undefined, digestFrom: DigestFrom | undefined): void {
  if (!names.some(isOllamaName) || (root !== undefined && digestFrom === "ollama")) return;
  throw new UsageError("ollama:NAME is looked up in a store: add --root ~/.ollama/models --digest-from ollama. A file of that name is written ./ollama:NAME.");
}
