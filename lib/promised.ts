/** What a call's model was promised to be, settled before the model is opened: by the caller, by a source of digests, or by both. */
import { hash } from "node:crypto";
import { isOllamaName, lookUp, named, SourceRefusal } from "./digest-source/lookup.ts";
import type { Found } from "./digest-source/lookup.ts";
import type { DigestSource, DigestSourceName } from "./digest-source/source.ts";
import { native } from "./native.ts";
import type { NativeRefusal, NativeRoot } from "./native.ts";
import type { ParsedCall } from "./options.ts";

export interface Promised {
  /** What is opened: the path as given, or the blob that a source knows by the given name. */
  readonly path: Uint8Array;
  /** Whether the path names the first of several parts, all of which are opened. */
  readonly isSet: boolean;
  /** The digest of the file, or of the set as a whole. */
  readonly sha256: string | undefined;
  /** The digests of a set's parts, in order; empty text where none is promised. */
  readonly parts: readonly string[];
  /** Who gave the promise that counts: the caller's own goes first, and a source must agree with it. */
  readonly from: "caller" | DigestSourceName | undefined;
  /** The source that had a digest, and the file that it is from. */
  readonly source: { readonly name: DigestSourceName; readonly file: string } | undefined;
}

/** Nothing is promised yet, or only what the caller says of a whole. */
export function promisedByCaller(path: Uint8Array | undefined, { sha256 }: ParsedCall): Promised {
  const whole = typeof sha256 === "string" ? sha256 : undefined;
  return { path: path ?? new Uint8Array(), isSet: false, sha256: whole, parts: [], from: whole === undefined ? undefined : "caller", source: undefined };
}

/** @returns what is promised, or why the call ends here */
export async function settlePromise(root: NativeRoot, path: Uint8Array, options: ParsedCall, asSet: boolean): Promise<Promised | NativeRefusal> {
  try {
    return await settled(root, path, options, asSet);
  } catch (failure) {
    if (failure instanceof SourceRefusal) return failure.refusal;
    throw failure;
  }
}

async function settled(root: NativeRoot, given: Uint8Array, options: ParsedCall, asSet: boolean): Promise<Promised> {
  const source = options.judge.digestFrom;
  const addressed = isOllamaName(source, given) ? await named(root, given) : undefined;
  const path = addressed?.path ?? given;
  const files = asSet ? partsOf(path) : [path];
  const found = addressed?.found ?? (source === undefined ? undefined : await lookUp(root, source, files));
  const byCaller = files.map((file) => digestGiven(file, files.length, options.sha256));
  if (typeof options.sha256 === "object") await demandNamed(root, files, byCaller);
  const digests = files.map((_, index) => agreed(byCaller[index], found?.digests[index], index, files.length));
  const whole = files.length === 1 ? digests[0] : wholeSet(digests, options.sha256);
  if (options.judge.requireDigest && whole === undefined) {
    const lacking = digests.indexOf(undefined);
    if (source !== undefined) await demandInside(root, files[lacking] ?? path);
    throw new SourceRefusal(digestRequired(source, found, lacking, files.length));
  }
  return {
    path,
    isSet: asSet && isFirstPart(path),
    sha256: whole,
    parts: files.length === 1 ? [] : digests.map((digest) => digest ?? ""),
    ...origin(options, source, found),
  };
}

/** The files that a path stands for: all parts of a set, by the name of its first. */
function partsOf(path: Uint8Array): Uint8Array[] {
  const split = native.splitPath(path);
  // More parts than can be are refused when the set is opened; what their digests are is of no interest.
  if (split === null || !isFirstPart(path) || split.count > split.countMax) return [path];
  return Array.from({ length: split.count }, (_, index) => native.splitPart(path, index) ?? path);
}

function isFirstPart(path: Uint8Array): boolean {
  return native.splitPath(path)?.index === 0;
}

/** One digest alone is that of a whole: it says nothing of a single part. */
function digestGiven(file: Uint8Array, count: number, sha256: ParsedCall["sha256"]): string | undefined {
  if (typeof sha256 === "object") return sha256.get(nameOf(file));
  return count === 1 ? sha256 : undefined;
}

/** Digests by name are a promise about every file that is opened. @throws SourceRefusal */
async function demandNamed(root: NativeRoot, files: readonly Uint8Array[], digests: readonly (string | undefined)[]): Promise<void> {
  const file = files[digests.indexOf(undefined)];
  if (file === undefined) return;
  await demandInside(root, file);
  const message = "sha256 has digests of other files, and none of this one";
  throw new SourceRefusal({ code: "DIGEST_REQUIRED", message, field: nameOf(file), retriable: false });
}

/** A path that leaves the root is an attack, whatever else is missing. @throws SourceRefusal */
async function demandInside(root: NativeRoot, file: Uint8Array): Promise<void> {
  const { refusal } = await root.find(file, false);
  if (refusal !== undefined) throw new SourceRefusal(refusal);
}

function nameOf(file: Uint8Array): string {
  const text = Buffer.from(file).toString("utf8");
  return text.slice(text.lastIndexOf("/") + 1);
}

/** @throws SourceRefusal where caller and source promise different files */
function agreed(given: string | undefined, found: string | undefined, index: number, count: number): string | undefined {
  if (given !== undefined && found !== undefined && given !== found) throw new SourceRefusal(conflict(given, found, count > 1 ? index + 1 : undefined));
  return given ?? found;
}

/** The digest of the set, if the caller gave it or those of all parts are known. @throws SourceRefusal where they differ */
function wholeSet(digests: readonly (string | undefined)[], given: ParsedCall["sha256"]): string | undefined {
  const computed = digests.every((digest) => digest !== undefined) ? setDigest(digests) : undefined;
  if (typeof given !== "string") return computed;
  if (computed !== undefined && computed !== given) throw new SourceRefusal(conflict(given, computed, undefined));
  return given;
}

/** SHA-256 of the parts' digests, a line each: what `sha256sum NAME-*.gguf | cut -c1-64 | sha256sum` says. */
export function setDigest(digests: readonly string[]): string {
  return hash("sha256", digests.map((digest) => `${digest}\n`).join(""), "hex");
}

function origin(options: ParsedCall, source: DigestSource | undefined, found: Found | undefined): Pick<Promised, "from" | "source"> {
  const says = found?.digests.some((digest) => digest !== undefined) === true ? found : undefined;
  const known = source === undefined || says === undefined ? undefined : { name: source.name, file: says.file };
  return { from: options.sha256 === undefined ? known?.name : "caller", source: known };
}

function conflict(expected: string, actual: string, part: number | undefined): NativeRefusal {
  const message = "the digest that the caller promises is not the one that the source of digests has; find out which is right, nothing was opened";
  return { code: "DIGEST_CONFLICT", message, expected, actual, retriable: false, ...(part === undefined ? {} : { part }) };
}

function digestRequired(source: DigestSource | undefined, found: Found | undefined, index: number, count: number): NativeRefusal {
  const which = count > 1 ? `part ${index + 1} of this model` : "this model";
  const message = source === undefined
    ? "this loader accepts no model without an expected digest; pass { sha256 }, or { digestFrom } where one is kept"
    : `this loader accepts no model without an expected digest, and the source ${source.name} (${found?.file ?? ""}) has none of ${which}`;
  return { code: "DIGEST_REQUIRED", message, retriable: false, ...(count > 1 ? { part: index + 1 } : {}) };
}
