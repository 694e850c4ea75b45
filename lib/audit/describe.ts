/** Any JavaScript value as JSON that says what it was. It runs no code of the value, and never throws. */
import { inspect, types } from "node:util";
import type { InspectOptions } from "node:util";
import { textJson } from "./escape.ts";

/** Enough to tell what was passed; no getter and no custom inspector runs, and a proxy's traps are left alone. */
const INSPECT: InspectOptions = {
  depth: 0, customInspect: false, getters: false, showProxy: true, breakLength: Infinity, compact: true,
  maxArrayLength: 16, maxStringLength: 256, sorted: false,
};

/** What a hostile object did not let us read. */
export class Unreadable {
  readonly failure: unknown;

  constructor(failure: unknown) {
    this.failure = failure;
  }
}

/** A property of an object that may be a proxy or have getters that throw. */
export function read(source: object, key: string): unknown {
  try {
    // Not source[key]: for keys that are absent, as most are, the engine leaves compiled code.
    return Reflect.get(source, key);
  } catch (failure) {
    return new Unreadable(failure);
  }
}

/** Those of an object's properties that are there, each as {@link read} finds it. */
export function readEach<K extends string>(source: object, keys: readonly K[]): { readonly [P in K]?: unknown } {
  return Object.fromEntries(keys.map((key) => [key, read(source, key)])) as { readonly [P in K]?: unknown };
}

/** Text where text is expected; anything else with its type beside it, so that 5 and "5" stay different. */
export function textOrDescription(value: unknown, max: number): string {
  return typeof value === "string" ? textJson(value, max) : describe(value, max);
}

/** JSON's own scalars as they are; anything else described. */
export function scalarJson(value: unknown, max: number): string {
  if (typeof value === "string") return textJson(value, max);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number" && isExact(value)) return String(value);
  return describe(value, max);
}

export function describe(value: unknown, max: number): string {
  const { type, text } = outline(value);
  return `{"type":"${type}","text":${textJson(text, max)}}`;
}

function outline(value: unknown): { type: string; text: string } {
  // A proxy is asked nothing, not even for its prototype.
  if (!types.isProxy(value) && value instanceof Unreadable) return { type: "unreadable", text: outline(value.failure).text };
  try {
    return { type: typeOf(value), text: typeof value === "string" ? value : inspect(value, INSPECT) };
  } catch {
    return { type: typeof value, text: "(cannot be shown)" };
  }
}

function typeOf(value: unknown): string {
  if (types.isProxy(value)) return "proxy";
  return Array.isArray(value) ? "array" : typeof value;
}

/** NaN, infinities and -0 have no JSON; whole numbers from 2^53 on are not the numbers they look like. */
function isExact(value: number): boolean {
  if (!Number.isFinite(value) || Object.is(value, -0)) return false;
  return !Number.isInteger(value) || Number.isSafeInteger(value);
}
