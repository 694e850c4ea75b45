/** Arguments from a shell, parsed once: what leaves this file is known by name and complete. */
import { parseArgs } from "node:util";
import type { BytePath } from "./byte-path.ts";
import { rawArguments } from "./raw-arguments.ts";
import { didYouMean } from "./suggest.ts";
import { visible } from "./terminal.ts";

/** The command line is wrong; nothing was opened. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What a command takes: switches, options with a value, and then names. */
export interface Grammar<Flag extends string, Option extends string> {
  readonly flags: readonly Flag[];
  readonly options: readonly Option[];
  /** Options that may be given several times; their values are then joined by commas. */
  readonly lists?: readonly Option[];
}

export interface Arguments<Flag extends string, Option extends string> {
  readonly flags: ReadonlySet<Flag>;
  readonly options: ReadonlyMap<Option, string>;
  /** What is no option, byte by byte. */
  readonly names: readonly BytePath[];
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

/** @throws UsageError that names the argument and says what to write instead */
export function parseCommand<Flag extends string, Option extends string>(
  args: readonly string[],
  grammar: Grammar<Flag, Option>,
): Arguments<Flag, Option> {
  const raw = rawArguments(args);
  const flags = new Set<Flag>();
  const options = new Map<Option, string>();
  const names: BytePath[] = [];
  for (const token of tokensOf(args, grammar)) {
    if (token.kind === "positional") names.push(raw[token.index] ?? ("" as BytePath));
    if (token.kind === "option") take(token, grammar, flags, options);
  }
  return { flags, options, names };
}

function tokensOf(args: readonly string[], grammar: Grammar<string, string>) {
  const type = (kind: "boolean" | "string") => (name: string) => [name, { type: kind }] as const;
  const options = Object.fromEntries([...grammar.flags.map(type("boolean")), ...grammar.options.map(type("string"))]);
  return parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function take<Flag extends string, Option extends string>(
  token: OptionToken,
  grammar: Grammar<Flag, Option>,
  flags: Set<Flag>,
  options: Map<Option, string>,
): void {
  const flag = grammar.flags.find((name) => name === token.name);
  if (flag !== undefined) flags.add(withoutValue(token, flag));
  const option = grammar.options.find((name) => name === token.name);
  if (option !== undefined) {
    const before = options.get(option);
    if (before !== undefined && grammar.lists?.includes(option) !== true) {
      throw new UsageError(`--${option} is given twice; which one is meant cannot be guessed.`);
    }
    options.set(option, before === undefined ? valueOf(token, option) : `${before},${valueOf(token, option)}`);
  }
  if (flag === undefined && option === undefined) throw unknownOption(token, [...grammar.flags, ...grammar.options]);
}

function withoutValue<Flag extends string>(token: OptionToken, flag: Flag): Flag {
  if (token.value === undefined) return flag;
  throw new UsageError(`--${flag} takes no value.`);
}

function valueOf(token: OptionToken, option: string): string {
  if (token.value === undefined || token.value === "") throw new UsageError(`--${option} needs a value.`);
  // "--root --json" is a forgotten value far more often than a folder of that name.
  if (token.inlineValue !== true && token.value.startsWith("-")) {
    throw new UsageError(`--${option} needs a value; if ${visible(token.value)} is meant, write --${option}=${visible(token.value)}.`);
  }
  return token.value;
}

function unknownOption(token: OptionToken, known: readonly string[]): UsageError {
  const near = didYouMean(token.rawName, known.map((name) => `--${name}`));
  const file = ` A file of that name is written after --, as in: -- ${visible(token.rawName)}`;
  return new UsageError(`There is no option ${visible(token.rawName)}.${near === "" ? file : near}`);
}

/** A whole number of bytes in plain digits. */
export function wholeNumber(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/u.test(text) && Number.isSafeInteger(value)) return value;
  throw new UsageError(`--${option} must be a whole number in plain digits, such as 100000000000, not ${visible(text, 40)}.`);
}

/** A SHA-256 in hex. */
export function digest(text: string | undefined, option: string): string | undefined {
  if (text === undefined || /^[0-9a-f]{64}$/iu.test(text)) return text?.toLowerCase();
  throw new UsageError(`--${option} must be 64 hex digits, and ${visible(text, 80)} has ${text.length} characters.`);
}

/** One of a few words. */
export function oneOf<Word extends string>(text: string | undefined, option: string, words: readonly Word[]): Word | undefined {
  const known = words.find((word) => word === text);
  if (text === undefined || known !== undefined) return known;
  throw new UsageError(`--${option} must be one of ${words.join(", ")}, not ${visible(text, 40)}.`);
}
