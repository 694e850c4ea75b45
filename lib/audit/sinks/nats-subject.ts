/** A trail's subject: the prefix and the origin as one token, so that a host can be allowed its own subject and no other. */
import { ORIGIN_MAX } from "../record.ts";

const PLAIN = /[^A-Za-z0-9_-]/g;
const TOKENS = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

export function originToken(origin: string): string {
  return origin.replace(PLAIN, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** The origin that a subject was made of; undefined where it is none of ours. */
export function originIn(subject: string): string | undefined {
  const token = subject.slice(subject.lastIndexOf(".") + 1);
  const origin = token.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return origin.length <= ORIGIN_MAX && originToken(origin) === token ? origin : undefined;
}

export function subjectOf(prefix: string, origin: string): string {
  return `${prefix}.${originToken(origin)}`;
}

export function isSubjectPrefix(prefix: unknown): prefix is string {
  return typeof prefix === "string" && prefix.length <= 128 && TOKENS.test(prefix);
}
