/**
 * An Ollama store: a manifest under the model's name lists its layers, and `blobs/sha256-HEX` holds each under its digest. Names are
 * written as Ollama writes them, with what is left out filled in: `llama3` is `registry.ollama.ai/library/llama3:latest`.
 *
 * Manifests lie in `manifests/HOST/NAMESPACE/MODEL/TAG`; newer stores have them as blobs, with links in `manifests-v2`, and may list
 * several manifests of one model, for different runners.
 */
import { hash } from "node:crypto";
import { jsonObject, own } from "./manifest.ts";
import { BadSource } from "./source.ts";

/** What an address begins with; the rest is the model's name. */
export const OLLAMA_SCHEME = "ollama:";

const MODEL_LAYER = "application/vnd.ollama.image.model";
const MANIFEST_LIST = "application/vnd.ollama.manifest.list.v2+json";
/** Runners of GGUF files, in the order in which Ollama prefers them. */
const RUNNERS = ["ollama", "llamacpp"] as const;
/** Ollama's own registry has another name in newer stores. */
const NEWER_HOST = "ollama.com";
const DEFAULTS = { host: "registry.ollama.ai", namespace: "library", tag: "latest" } as const;

/** Ollama's own rules: no part can be "..", nor begin with a dot. */
const PARTS = {
  host: /^\w[\w.:-]{0,349}$/u,
  namespace: /^\w[\w-]{0,79}$/u,
  model: /^\w[\w.-]{0,79}$/u,
  tag: /^\w[\w.-]{0,79}$/u,
} as const;

/** Where the manifest of that name may lie, the newest place first; undefined where it is no name. */
export function manifestPaths(name: string): string[] | undefined {
  const [model = "", namespace = DEFAULTS.namespace, host = DEFAULTS.host, ...more] = name.split("/").reverse();
  const [plain = "", tag = DEFAULTS.tag, ...tags] = model.split(":");
  const parts = { host, namespace, model: plain, tag };
  const wellFormed = (Object.keys(PARTS) as (keyof typeof PARTS)[]).every((part) => PARTS[part].test(parts[part]));
  if (!wellFormed || more.length > 0 || tags.length > 0) return undefined;
  const rest = `${namespace}/${plain}/${tag}`;
  const own = host === DEFAULTS.host || host === NEWER_HOST;
  const hosts = own ? [host, host === NEWER_HOST ? DEFAULTS.host : NEWER_HOST] : [host];
  return [`manifests-v2/${own ? NEWER_HOST : host}/${rest}`, ...hosts.map((known) => `manifests/${known}/${rest}`)];
}

export function blobPath(sha256: string): string {
  return `blobs/sha256-${sha256}`;
}

/** The digest of the model, or of the manifest that names it. */
export type ManifestSays = { readonly model: string } | { readonly manifest: string };

/** @throws BadSource */
export function parseOllamaManifest(bytes: Buffer): ManifestSays {
  const manifest = jsonObject(bytes);
  return own(manifest, "mediaType") === MANIFEST_LIST ? listed(manifest) : { model: modelIn(manifest) };
}

/** Of a manifest that is a blob itself, named by a list. @throws BadSource where it is not the one that was named, or a list again */
export function parseListedManifest(bytes: Buffer, sha256: string): string {
  if (hash("sha256", bytes, "hex") !== sha256) throw new BadSource("its bytes do not have the digest that is its name");
  return modelIn(jsonObject(bytes));
}

/** The manifest of the first runner that runs GGUF files. */
function listed(list: object): ManifestSays {
  const manifests = objectsIn(own(list, "manifests"), "manifests");
  const found = RUNNERS.flatMap((runner) => manifests.filter((manifest) => own(manifest, "runner") === runner))[0];
  if (found === undefined) throw new BadSource(`no manifest of the list is for a runner of GGUF files (${RUNNERS.join(", ")})`);
  return own(found, "layers") === undefined ? { manifest: digestIn(found, "the manifest in the list") } : { model: modelIn(found) };
}

function modelIn(manifest: object): string {
  const models = objectsIn(own(manifest, "layers"), "layers").filter((layer) => own(layer, "mediaType") === MODEL_LAYER);
  const [model, ...more] = models;
  if (model === undefined) throw new BadSource(`no layer is of type ${MODEL_LAYER}`);
  if (more.length > 0) throw new BadSource(`${models.length} layers are of type ${MODEL_LAYER}, and which one is meant cannot be guessed`);
  return digestIn(model, "the model's layer");
}

function objectsIn(value: unknown, name: string): object[] {
  if (!Array.isArray(value)) throw new BadSource(`"${name}" must be an array`);
  return (value as unknown[]).filter((item): item is object => typeof item === "object" && item !== null);
}

function digestIn(descriptor: object, what: string): string {
  const digest = own(descriptor, "digest");
  const hex = typeof digest === "string" ? /^sha256:([0-9a-f]{64})$/u.exec(digest)?.[1] : undefined;
  if (hex === undefined) throw new BadSource(`${what} has no digest of the form sha256:HEX`);
  return hex;
}
