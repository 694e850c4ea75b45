/** What the tests of the trail share: folders, events, broken disks, and the library as JavaScript for child processes. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { onTestFinished } from "vitest";
import type { AuditEventOf } from "../../lib/audit/events.ts";
import { NODE_FS } from "../../lib/audit/files.ts";
import type { AuditFs } from "../../lib/audit/files.ts";
import { AuditLog } from "../../lib/audit/log.ts";
import type { AuditLogOptions } from "../../lib/audit/log.ts";

export const ROOT: string = resolve(import.meta.dirname, "../..");

/** A folder that does not exist yet, in one that is removed after the test. */
export function newFolder(): string {
  const parent = mkdtempSync(join(tmpdir(), "audit-"));
  onTestFinished(() => { rmSync(parent, { recursive: true, force: true }); });
  return join(parent, "trail");
}

export async function openLog(dir: string, options: AuditLogOptions = {}): Promise<AuditLog> {
  const log = await AuditLog.open(dir, options);
  onTestFinished(() => { closeQuietly(log); });
  return log;
}

/** For tests that break the disk: what closing has to say then is not their subject. */
function closeQuietly(log: AuditLog): void {
  try {
    log[Symbol.dispose]();
  } catch (failure) {
    if (!(failure instanceof Error)) throw failure;
  }
}

export function denial(correlationId = "c-1"): AuditEventOf<"PathTraversalAttempt"> {
  return {
    type: "PathTraversalAttempt", outcome: "denied", action: "model.load", reason: "PATH_TRAVERSAL",
    actor: "alice", correlationId, target: { path: "../../etc/passwd" },
  };
}

export function loaded(correlationId = "c-1"): AuditEventOf<"ModelLoaded"> {
  return { type: "ModelLoaded", outcome: "allowed", action: "model.load", correlationId, target: { path: "a.gguf", sizeBytes: 4096 } };
}

export interface AnyRecord {
  readonly seq: number;
  readonly prev: string;
  readonly type: string;
  readonly sev: string;
  readonly corr?: string;
  readonly reason?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

export function segmentsOf(dir: string): string[] {
  return readdirSync(join(dir, "log")).sort().map((name) => join(dir, "log", name));
}

export function linesOf(dir: string): string[] {
  return segmentsOf(dir).flatMap((path) => readFileSync(path, "latin1").split("\n")).filter((line) => line !== "");
}

/** Every line as a record; throws where one is none. What a power cut left behind a segment's last newline is no line: a later record describes it. */
export function recordsOf(dir: string): AnyRecord[] {
  const lines = segmentsOf(dir).flatMap((path) => readFileSync(path, "latin1").split("\n").slice(0, -1));
  return lines.map((line) => JSON.parse(line) as AnyRecord);
}

/** A closed trail of one opening, `count` events and one closing. */
export async function writtenTrail(count: number, options: AuditLogOptions = {}): Promise<string> {
  const dir = newFolder();
  const log = await AuditLog.open(dir, options);
  for (let i = 0; i < count; i += 1) log.emitSync(loaded(`c-${i}`));
  await log[Symbol.asyncDispose]();
  return dir;
}

export function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: made by the test`), { code });
}

/** A double: the real file system with single operations replaced, for what no real disk here can be made to do on demand. */
export function brokenFs(broken: Partial<AuditFs>): AuditFs {
  return { ...NODE_FS, ...broken };
}

export interface Death {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The library of this checkout as JavaScript, for programs that run without vitest. Beside it: `package.json`, modules, addon. */
export function compiledLibrary(): string {
  const home = mkdtempSync(join(tmpdir(), "audit-lib-"));
  for (const path of typescriptFiles(join(ROOT, "lib"))) {
    const out = join(home, "lib", relative(join(ROOT, "lib"), path).replace(/\.ts$/, ".js"));
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(out, transpile(path));
  }
  for (const name of ["package.json", "node_modules", "dist"]) symlinkSync(join(ROOT, name), join(home, name));
  return home;
}

function transpile(path: string): string {
  const { ModuleKind, ScriptTarget } = ts;
  const compilerOptions = { module: ModuleKind.ESNext, target: ScriptTarget.ES2023, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true };
  return ts.transpileModule(readFileSync(path, "utf8"), { fileName: path, compilerOptions }).outputText;
}

function typescriptFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && statSync(join(folder, name)).isFile())
    .map((name) => join(folder, name));
}

/** Starts `program` (the text of a module) with `AuditLog`, `installSignalFlush`, `dir` and `loaded`/`denial` at hand. */
export function startProgram(home: string, dir: string, program: string, nodeArguments: readonly string[] = [], node = process.execPath): ChildProcess {
  const url = (path: string): string => JSON.stringify(pathToFileURL(join(home, "lib", path)).href);
  const text = `
    import { AuditLog } from ${url("audit/log.js")};
    import { installSignalFlush } from ${url("audit/signal-flush.js")};
    const dir = ${JSON.stringify(dir)};
    const denial = (correlationId) => ({ type: "PathTraversalAttempt", outcome: "denied", action: "model.load", correlationId });
    const loaded = (correlationId) => ({ type: "ModelLoaded", outcome: "allowed", action: "model.load", correlationId });
    ${program}`;
  const path = join(home, `program-${Math.random().toString(36).slice(2)}.mjs`);
  writeFileSync(path, text);
  return spawn(node, [...nodeArguments, path], { stdio: ["ignore", "pipe", "pipe"] });
}

export function death(child: ChildProcess): Promise<Death> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (data: Buffer) => { stdout += data.toString(); });
  child.stderr?.on("data", (data: Buffer) => { stderr += data.toString(); });
  return new Promise((done) => { child.on("close", (code, signal) => { done({ code, signal, stdout, stderr }); }); });
}
