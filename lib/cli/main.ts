#!/usr/bin/env node
/** The command line's entry: finds the command, runs it, sets the exit code. */
import { readFileSync } from "node:fs";
import { UsageError } from "./args.ts";
import { EXIT } from "./exit.ts";
import { HELP } from "./help.ts";
import { Output } from "./output.ts";
import { didYouMean } from "./suggest.ts";
import { visible } from "./terminal.ts";

type Command = (args: readonly string[]) => Promise<number>;

/** Loaded when called, so that help works where the native library does not. */
const COMMANDS: Readonly<Record<string, Command>> = {
  verify: async (args) => (await import("./verify.ts")).verify(args),
  protect: async (args) => (await import("./verify.ts")).protect(args),
  inspect: async (args) => (await import("./inspect.ts")).inspect(args),
  audit: async (args) => (await import("./audit.ts")).audit(args),
  vram: async (args) => (await import("./vram.ts")).vram(args),
};

const code = await main(process.argv.slice(2));
// A lost output has set its own exit code by now, and that one stands.
process.exitCode ??= code;

async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(args);
  } catch (failure) {
    return failure instanceof UsageError ? misused(failure, topicOf(args)) : broken(failure);
  }
}

async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) throw new UsageError("name a command.");
  if (name === "--version" || name === "-V") return print(version());
  if (name === "help" || name === "--help" || name === "-h") return print(helpFor(topicOf(rest)));
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw unknownCommand(name);
  return asksForHelp(rest) ? print(helpFor(topicOf(args))) : await command(rest);
}

/** The longest beginning of a command line that help knows something about: `audit verify`, or else its first word. */
function topicOf([name = "", subcommand = ""]: readonly string[]): string {
  const both = `${name} ${subcommand}`;
  return Object.hasOwn(HELP, both) ? both : name;
}

function helpFor(name: string): string {
  const text = Object.hasOwn(HELP, name) ? HELP[name] : undefined;
  if (text === undefined) throw unknownCommand(name);
  return text;
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end === -1 ? args.length : end).some((arg) => arg === "--help" || arg === "-h");
}

function unknownCommand(name: string): UsageError {
  if (name.startsWith("-")) return new UsageError(`the command comes first; ${visible(name)} belongs behind it.`);
  return new UsageError(`there is no command ${visible(name, 80)}.${didYouMean(name, Object.keys(COMMANDS))}`);
}

function misused(failure: UsageError, topic: string): number {
  const help = topic !== "" && Object.hasOwn(HELP, topic) ? `model-loader ${topic} --help` : "model-loader --help";
  process.stderr.write(`model-loader: ${failure.message}\nTry: ${help}\n`);
  return EXIT.USAGE;
}

function broken(failure: unknown): number {
  process.stderr.write(`model-loader: ${failure instanceof Error ? visible(failure.message) : String(failure)}\n`);
  return EXIT.IO;
}

function print(text: string): number {
  new Output(false).result({}, () => text);
  return EXIT.VERIFIED;
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
