/** An event's details as one JSON object within a fixed budget; what did not fit is counted, and never takes the record with it. */
import { hash } from "node:crypto";
import { describe, read, scalarJson, Unreadable } from "./describe.ts";
import { escapeText, isPlain } from "./escape.ts";
import { TextField } from "./field.ts";

export const ENTRIES_MAX: number = 32;
export const KEY_MAX: number = 64;
export const VALUE_MAX: number = 512;
/** Characters of JSON for all entries together. */
const DETAILS_MAX = 4096;
/** Of the brace or comma before an entry; they are not counted. */
const SEPARATOR_CHARS = 1;

/** `{…}`, followed by `,"detailsOmitted":n` where entries had to stay out. */
export function detailsJson(details: unknown): string {
  if (typeof details !== "object" || details === null) return describe(details, VALUE_MAX);
  const keys = keysOf(details);
  if (keys instanceof Unreadable) return describe(keys, VALUE_MAX);
  let text = "";
  let entries = 0;
  let omitted = 0;
  let room = DETAILS_MAX;
  for (const key of keys) {
    if (entries === ENTRIES_MAX) {
      omitted += 1;
      continue;
    }
    const value = read(details, key);
    if (value === undefined) continue;
    const part = (entries === 0 ? FIRST : NEXT).json(key, value);
    const taken = part.length - SEPARATOR_CHARS;
    if (taken > room) {
      omitted += 1;
      continue;
    }
    text += part;
    entries += 1;
    room -= taken;
  }
  const all = entries === 0 ? "{}" : `${text}}`;
  return omitted === 0 ? all : `${all},"detailsOmitted":${omitted}`;
}

function keysOf(details: object): string[] | Unreadable {
  try {
    return Object.keys(details);
  } catch (failure) {
    return new Unreadable(failure);
  }
}

/** Keys come from programs, so they repeat: those met before are not judged again. */
const KNOWN_KEYS_MAX = 1024;

/** Entries behind one kind of separator, each with it. */
class Entries {
  readonly #separator: string;
  readonly #known = new Map<string, Entry>();

  constructor(separator: string) {
    this.#separator = separator;
  }

  json(key: string, value: unknown): string {
    const { name, field } = this.#known.get(key) ?? this.#met(key);
    return typeof value === "string" ? field.json(value) : name + scalarJson(value, VALUE_MAX);
  }

  #met(key: string): Entry {
    const name = `${this.#separator}${keyJson(key)}:`;
    const entry = { name, field: new TextField(name, VALUE_MAX) };
    if (key.length <= KEY_MAX && this.#known.size < KNOWN_KEYS_MAX) this.#known.set(key, entry);
    return entry;
  }
}

interface Entry {
  readonly name: string;
  /** For values that are text. */
  readonly field: TextField;
}

const FIRST = new Entries("{");
const NEXT = new Entries(",");

/** A long key is cut and carries its digest. `\u{}` is no escape, so a cut key cannot be mistaken for a whole one. */
function keyJson(key: string): string {
  if (key.length <= KEY_MAX) {
    if (isPlain(key)) return JSON.stringify(key);
    const json = JSON.stringify(escapeText(key));
    if (json.length <= KEY_MAX + 2) return json;
  }
  const start = escapeText(key.slice(0, 16).toWellFormed());
  return JSON.stringify(`${start.slice(0, KEY_MAX / 2)}\\u{}${hash("sha256", Buffer.from(key, "utf16le"), "hex").slice(0, 32)}`);
}
