/** What an event was about, as JSON: the path as escaped text and, where that is not the path itself, as raw bytes. */
import { types } from "node:util";
import { describe, read, scalarJson, textOrDescription } from "./describe.ts";
import { bytesJson, isPlain, textJson } from "./escape.ts";

/** Characters of JSON for a path's text, and bytes of it kept raw: together they hold any path that opens in practice. */
const PATH_TEXT_MAX = 3072;
const PATH_BYTES_MAX = 2048;
const FIELD_MAX = 128;

/** `"target":{…}` with what could be read of it. */
export function targetJson(target: unknown): string {
  if (typeof target !== "object" || target === null) return describe(target, FIELD_MAX);
  return `{${[...pathParts(read(target, "path")), ...otherParts(target)].join(",")}}`;
}

function* otherParts(target: object): Generator<string> {
  yield* part(target, "sizeBytes", scalarJson);
  // A device's or an inode's number can be above 2^53, where JSON numbers stop being exact.
  yield* part(target, "dev", wideJson);
  yield* part(target, "ino", wideJson);
  yield* part(target, "sha256", textOrDescription);
  yield* part(target, "expectedSha256", textOrDescription);
  yield* part(target, "ggufVersion", scalarJson);
  yield* part(target, "architecture", textOrDescription);
}

function* part(target: object, key: string, json: (value: unknown, max: number) => string): Generator<string> {
  const value = read(target, key);
  if (value !== undefined) yield `"${key}":${json(value, FIELD_MAX)}`;
}

function wideJson(value: unknown, max: number): string {
  const wide = typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
  return wide ? textJson(String(value), max) : describe(value, max);
}

function* pathParts(path: unknown): Generator<string> {
  if (path === undefined) return;
  if (typeof path === "string") yield* textPath(path);
  else if (types.isUint8Array(path)) yield* bytesPath(path);
  else yield `"path":${describe(path, PATH_TEXT_MAX)}`;
}

function* textPath(path: string): Generator<string> {
  yield `"path":${textJson(path, PATH_TEXT_MAX)}`;
  if (!isPlain(path)) yield `"pathBytes":${bytesJson(Buffer.from(path), PATH_BYTES_MAX)}`;
}

/** A path need not be UTF-8; what is not reads as U+FFFD in the text, and the bytes beside it say what it was. */
function* bytesPath(path: Uint8Array): Generator<string> {
  const bytes = copyOf(path);
  if (bytes === undefined) {
    yield `"path":${describe(path, PATH_TEXT_MAX)}`;
    return;
  }
  const text = bytes.toString("utf8");
  yield `"path":${textJson(text, PATH_TEXT_MAX)}`;
  if (!isPlain(text)) yield `"pathBytes":${bytesJson(bytes, PATH_BYTES_MAX)}`;
}

/** A copy, because shared memory can change between the text and the bytes; a subclass can make reading it fail. */
function copyOf(path: Uint8Array): Buffer | undefined {
  try {
    return Buffer.from(path);
  } catch {
    return undefined;
  }
}
