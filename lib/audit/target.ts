/** What an event was about, as JSON: the path as escaped text and, where that is not the path itself, as raw bytes. */
import { types } from "node:util";
import { describe, readEach, scalarJson } from "./describe.ts";
import type { AuditTarget } from "./events.ts";
import { bytesJson, isPlain, textJson } from "./escape.ts";
import { TextField } from "./field.ts";

/** Characters of JSON for a path's text, and bytes of it kept raw: together they hold any path that opens in practice. */
export const PATH_TEXT_MAX: number = 3072;
export const PATH_BYTES_MAX: number = 2048;
export const FIELD_MAX: number = 128;

type Json = (value: unknown, max: number) => string;
/** What the fields of an {@link AuditTarget} may really hold. */
type Fields = { readonly [K in keyof AuditTarget]?: unknown };

const SHA256 = new TextField(',"sha256":', FIELD_MAX);
const EXPECTED_SHA256 = new TextField(',"expectedSha256":', FIELD_MAX);
const EXPECTED_FROM = new TextField(',"expectedFrom":', FIELD_MAX);
const ARCHITECTURE = new TextField(',"architecture":', FIELD_MAX);
const PATH = new TextField('{"path":', PATH_TEXT_MAX);

/** The target as JSON, with what could be read of it. */
export function targetJson(target: unknown): string {
  if (typeof target !== "object" || target === null) return describe(target, FIELD_MAX);
  const given = fieldsOf(target);
  // A device's or an inode's number can be above 2^53, where JSON numbers stop being exact.
  const rest = part(',"sizeBytes":', given.sizeBytes, scalarJson) + part(',"dev":', given.dev, wideJson) + part(',"ino":', given.ino, wideJson)
    + SHA256.json(given.sha256) + EXPECTED_SHA256.json(given.expectedSha256) + EXPECTED_FROM.json(given.expectedFrom)
    + part(',"ggufVersion":', given.ggufVersion, scalarJson) + ARCHITECTURE.json(given.architecture);
  return given.path === undefined ? `{${rest.slice(1)}}` : `${pathParts(given.path)}${rest}}`;
}

/** By name, which engines do several times as fast as by a list of names; one by one where a getter throws. */
function fieldsOf(target: Fields): Fields {
  try {
    const { path, sizeBytes, dev, ino, sha256, expectedSha256, expectedFrom, ggufVersion, architecture } = target;
    return { path, sizeBytes, dev, ino, sha256, expectedSha256, expectedFrom, ggufVersion, architecture };
  } catch {
    return readEach(target, ["path", "sizeBytes", "dev", "ino", "sha256", "expectedSha256", "expectedFrom", "ggufVersion", "architecture"]);
  }
}

function part(name: string, value: unknown, json: Json): string {
  return value === undefined ? "" : name + json(value, FIELD_MAX);
}

function wideJson(value: unknown, max: number): string {
  const wide = typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
  return wide ? textJson(String(value), max) : describe(value, max);
}

/** The beginning of the target. */
function pathParts(path: unknown): string {
  if (typeof path === "string") return textAndBytes(path, undefined);
  // A path need not be UTF-8; what is not reads as U+FFFD in the text, and the bytes beside it say what it was.
  const bytes = types.isUint8Array(path) ? copyOf(path) : undefined;
  return bytes === undefined ? PATH.json(path) : textAndBytes(bytes.toString("utf8"), bytes);
}

/** The raw bytes only where the text alone does not say what they are. */
function textAndBytes(text: string, bytes: Buffer | undefined): string {
  const shown = PATH.json(text);
  return isPlain(text) ? shown : `${shown},"pathBytes":${bytesJson(bytes ?? Buffer.from(text), PATH_BYTES_MAX)}`;
}

/** A copy, because shared memory can change between the text and the bytes; a subclass can make reading it fail. */
function copyOf(path: Uint8Array): Buffer | undefined {
  try {
    return Buffer.from(path);
  } catch {
    return undefined;
  }
}
