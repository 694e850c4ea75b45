/** Asks a source for the digests of files beneath the root. */
import { posix } from "node:path";
import type { NativeRefusal, NativeRoot } from "../native.ts";
import { digestOfBlob } from "./blob.ts";
import type { BlobStore } from "./blob.ts";
import { parseManifest } from "./manifest.ts";
import { blobPath, manifestPaths, OLLAMA_SCHEME, parseListedManifest, parseOllamaManifest } from "./ollama.ts";
import { BadSource, FILE_BESIDE } from "./source.ts";
import type { DigestSource, NamedDigest } from "./source.ts";
import { parseSums } from "./sums.ts";

/** A file of digests for ten thousand models has less. */
export const SOURCE_BYTES_MAX: number = 2 ** 20;

/** What a source says of some files. */
export interface Found {
  /** One for each file, in order; undefined where the source does not know it. */
  readonly digests: readonly (string | undefined)[];
  /** What was read, as a path, or where the blob lies. */
  readonly file: string;
}

/** A model that a source knows by a name that is no path. */
export interface Named {
  readonly path: Uint8Array;
  readonly found: Found;
}

/** Thrown within this folder only; the loader gets refusals as data. */
export class SourceRefusal extends Error {
  readonly refusal: NativeRefusal;

  constructor(refusal: NativeRefusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** The digests of the files at `paths`. @throws SourceRefusal */
export async function lookUp(root: NativeRoot, source: DigestSource, paths: readonly Uint8Array[]): Promise<Found> {
  if (source.name === "huggingface" || source.name === "ollama") return blobs(root, source.name, paths);
  const [first = new Uint8Array()] = paths;
  const file = source.file ?? beside(first, FILE_BESIDE[source.name]);
  const parse = source.name === "manifest" ? parseManifest : parseSums;
  const entries = await readAs(root, file, parse);
  return { digests: entries === undefined ? [] : digestsOf(root, file, entries, paths), file: shown(file) };
}

/** Whether the path is an address in an Ollama store. */
export function isOllamaName(source: DigestSource | undefined, path: Uint8Array): boolean {
  return source?.name === "ollama" && latin1(path).startsWith(OLLAMA_SCHEME);
}

/** The blob of the model of that name. @throws SourceRefusal */
export async function named(root: NativeRoot, address: Uint8Array): Promise<Named> {
  const manifests = manifestPaths(latin1(address).slice(OLLAMA_SCHEME.length));
  if (manifests === undefined) throw notFound("this is no name of a model: write ollama:MODEL, ollama:MODEL:TAG or ollama:HOST/NAMESPACE/MODEL:TAG");
  for (const file of manifests) {
    const says = await readAs(root, Buffer.from(file), parseOllamaManifest);
    if (says === undefined) continue;
    const sha256 = "model" in says ? says.model : await listedModel(root, says.manifest);
    return { path: Buffer.from(blobPath(sha256)), found: { digests: [sha256], file } };
  }
  throw notFound(`the store has no model of this name: under the root there is none of ${manifests.join(", ")}`);
}

/** The model of a manifest that lies among the blobs. */
async function listedModel(root: NativeRoot, manifest: string): Promise<string> {
  const blob = blobPath(manifest);
  const sha256 = await readAs(root, Buffer.from(blob), (bytes) => parseListedManifest(bytes, manifest));
  if (sha256 === undefined) throw notFound(`the store has no ${blob}, which is the model's manifest`);
  return sha256;
}

async function blobs(root: NativeRoot, store: BlobStore, paths: readonly Uint8Array[]): Promise<Found> {
  const digests: (string | undefined)[] = [];
  for (const [index, path] of paths.entries()) {
    const { bytes, refusal = NEITHER } = await root.realPath(path);
    // What cannot be opened now cannot be loaded either, and this is why.
    if (bytes === undefined) throw new SourceRefusal(paths.length > 1 ? { ...refusal, part: index + 1 } : refusal);
    digests.push(digestOfBlob(store, bytes));
  }
  const [only] = digests;
  return { digests, file: paths.length === 1 && only !== undefined ? `blobs/${store === "ollama" ? "sha256-" : ""}${only}` : "blobs" };
}

/** Reads and parses a small file beneath the root; undefined where there is none. */
async function readAs<T>(root: NativeRoot, file: Uint8Array, parse: (bytes: Buffer) => T): Promise<T | undefined> {
  const { bytes, refusal = NEITHER } = await root.readSmall(file, SOURCE_BYTES_MAX);
  if (bytes === undefined) {
    if (refusal.code === "NOT_FOUND") return undefined;
    // An escape is an escape, whatever was to be read there.
    throw new SourceRefusal(refusal.code === "PATH_TRAVERSAL" ? refusal : invalid(file, refusal.message, { retriable: refusal.retriable }));
  }
  try {
    return parse(bytes);
  } catch (failure) {
    if (!(failure instanceof BadSource)) throw failure;
    throw new SourceRefusal(invalid(file, failure.message, failure.offset === undefined ? {} : { offset: failure.offset }));
  }
}

/** @throws SourceRefusal where a file stands twice with different digests */
function digestsOf(root: NativeRoot, file: Uint8Array, entries: readonly NamedDigest[], paths: readonly Uint8Array[]): (string | undefined)[] {
  const folder = posix.dirname(withinRoot(root, file));
  const known = new Map<string, NamedDigest>();
  for (const entry of entries) {
    const key = entry.name.startsWith("/") ? withinRoot(root, Buffer.from(entry.name, "latin1")) : posix.join(folder, entry.name);
    const before = known.get(key);
    if (before !== undefined && before.sha256 !== entry.sha256) {
      throw new SourceRefusal(invalid(file, `${before.place} and ${entry.place} name one file and two digests`));
    }
    known.set(key, entry);
  }
  return paths.map((path) => known.get(withinRoot(root, path))?.sha256);
}

/** Normal and relative to the root; a path outside stays absolute, and matches nothing inside. */
function withinRoot(root: NativeRoot, path: Uint8Array): string {
  return posix.normalize(latin1(root.relative(path) ?? path));
}

function beside(path: Uint8Array, name: string): Uint8Array {
  const text = latin1(path);
  return Buffer.from(text.slice(0, text.lastIndexOf("/") + 1) + name, "latin1");
}

const NEITHER: NativeRefusal = { code: "INTERNAL", message: "the file was neither read nor refused", retriable: false };

function invalid(file: Uint8Array, message: string, more: Partial<NativeRefusal> = {}): NativeRefusal {
  return { code: "DIGEST_SOURCE_INVALID", message: `the file of digests cannot be used: ${message}`, field: shown(file), retriable: false, ...more };
}

function notFound(message: string): SourceRefusal {
  return new SourceRefusal({ code: "NOT_FOUND", message, retriable: false });
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/** For people: bytes that are no UTF-8 read as U+FFFD. */
function shown(file: Uint8Array): string {
  return Buffer.from(file).toString("utf8");
}
