/** Options as a caller passed them: an object with no other names than the known ones. */
export type Bag = Readonly<Record<string, unknown>>;

/** All names of the options in `T`; the compiler finds one that is missing or too many. */
export function namesOf<T>(names: Readonly<Record<keyof T, true>>): ReadonlySet<string> {
  return new Set(Object.keys(names));
}

/** A misspelt option must not silently fall back to a default: it may be the one that keeps attackers out. */
export function bagOf(given: unknown, name: string, known: ReadonlySet<string>): Bag {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new TypeError(`${name} must be an object, not ${kindOf(given)}`);
  }
  for (const key of Object.keys(given)) {
    if (!known.has(key)) throw new TypeError(`${name} has no option ${JSON.stringify(key)}; known: ${[...known].join(", ")}`);
  }
  return given as Bag;
}

/** Names a value's kind without printing it: it may be hostile, huge or throw when read. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
