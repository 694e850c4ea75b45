/**
 * An Ollama store: `manifests/HOST/NAMESPACE/MODEL/TAG` names the layers of a model, and `blobs/sha256-HEX` holds each under its
 * digest. Names are written as Ollama writes them, with what is left out filled in: `llama3` is
 * `registry.ollama.ai/library/llama3:latest`.
 */
import { jsonObject, own } from "./manifest.ts";
import { BadSource } from "./source.ts";

/** What an address begins with; the rest is the model's name. */
export const OLLAMA_SCHEME = "ollama:";

const MODEL_LAYER = "application/vnd.ollama.image.model";
const DEFAULTS = { host: "registry.ollama.ai", namespace: "library", tag: "latest" } as const;

/** Ollama's own rules: no part can be "..", nor begin with a dot. */
const PARTS = {
  host: /^\w[\w.:-]{0,349}$/u,
  namespace: /^\w[\w-]{0,79}$/u,
  model: /^\w[\w.-]{0,79}$/u,
  tag: /^\w[\w.-]{0,79}$/u,
} as const;

/** The path of the manifest of that name; undefined where it is no name. */
export function manifestPath(name: string): string | undefined {
  const [model = "", namespace = DEFAULTS.namespace, host = DEFAULTS.host, ...more] = name.split("/").reverse();
  const [plain = "", tag = DEFAULTS.tag, ...tags] = model.split(":");
  const parts = { host, namespace, model: plain, tag };
  const wellFormed = (Object.keys(PARTS) as (keyof typeof PARTS)[]).every((part) => PARTS[part].test(parts[part]));
  if (!wellFormed || more.length > 0 || tags.length > 0) return undefined;
  return `manifests/${host}/${namespace}/${plain}/${tag}`;
}

export function blobPath(sha256: string): string {
  return `blobs/sha256-${sha256}`;
}

/** The digest of the one layer that is the model. @throws BadSource */
export function modelDigest(bytes: Buffer): string {
  const layers = own(jsonObject(bytes), "layers");
  if (!Array.isArray(layers)) throw new BadSource('"layers" must be an array');
  const models = (layers as unknown[]).filter((layer): layer is object => typeof layer === "object" && layer !== null && own(layer, "mediaType") === MODEL_LAYER);
  const [model, ...more] = models;
  if (model === undefined) throw new BadSource(`no layer is of type ${MODEL_LAYER}`);
  if (more.length > 0) throw new BadSource(`${models.length} layers are of type ${MODEL_LAYER}, and which one is meant cannot be guessed`);
  const digest = own(model, "digest");
  const hex = typeof digest === "string" ? /^sha256:([0-9a-f]{64})$/u.exec(digest)?.[1] : undefined;
  if (hex === undefined) throw new BadSource("the model's layer has no digest of the form sha256:HEX");
  return hex;
}
