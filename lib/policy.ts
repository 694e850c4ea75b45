/** The rules that a decision is made under, as a digest that can be compared between records, hosts and days. */
import { hash } from "node:crypto";
import type { AuditPolicy } from "./audit/events.ts";
import { VERSION } from "./native.ts";
import type { ParsedJudge } from "./options.ts";

const POLICY_ID = "model-gate";

/** Rules that belong to one another are the same object for as long as a loader lives. */
const known = new WeakMap<ParsedJudge, AuditPolicy>();

/**
 * The digest is SHA-256 of the rules as one line of JSON with its keys in this order. A limit that was not set is not among them: the
 * version says what it was.
 */
export function policyOf(judge: ParsedJudge): AuditPolicy {
  const before = known.get(judge);
  if (before !== undefined) return before;
  const policy = { id: POLICY_ID, version: VERSION, digest: hash("sha256", rulesText(judge), "hex") };
  known.set(judge, policy);
  return policy;
}

function rulesText({ policy, requireDigest, digestFrom, maxBytes, guard, minGuard, flatAlways }: ParsedJudge): string {
  const limits = Object.fromEntries(Object.entries(policy.limits).sort(([a], [b]) => (a < b ? -1 : 1)));
  const { strict, engineSafety } = policy;
  return JSON.stringify({ id: POLICY_ID, version: VERSION, strict, engineSafety, requireDigest, digestFrom: sourceText(digestFrom), maxBytes: maxBytes ?? null, guard, minGuard, flatAlways, limits });
}

/** The source's name, and the file that was named, byte by byte. */
function sourceText(source: ParsedJudge["digestFrom"]): string | null {
  if (source === undefined) return null;
  return source.file === undefined ? source.name : `${source.name}:${Buffer.from(source.file).toString("latin1")}`;
}
