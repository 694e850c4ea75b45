/**
 * A manifest of digests in JSON, for hosts that make their own:
 *
 *     { "version": 1, "files": [{ "path": "llama-8b.Q4_K_M.gguf", "sha256": "9f86d0…" }] }
 *
 * Paths are relative to the manifest's folder. Members that are not named here are left to the host.
 */
import { BadSource } from "./source.ts";
import type { NamedDigest } from "./source.ts";

const VERSION = 1;

/** @throws BadSource that names the entry */
export function parseManifest(bytes: Buffer): NamedDigest[] {
  const root = jsonObject(bytes);
  if (own(root, "version") !== VERSION) throw new BadSource(`"version" must be ${VERSION}`);
  const files = own(root, "files");
  if (!Array.isArray(files)) throw new BadSource('"files" must be an array');
  return files.map(parseEntry);
}

function parseEntry(entry: unknown, index: number): NamedDigest {
  const place = `files[${index}]`;
  if (typeof entry !== "object" || entry === null) throw new BadSource(`${place} must be an object`);
  const [path, sha256] = [own(entry, "path"), own(entry, "sha256")];
  if (typeof path !== "string" || path === "" || path.includes("\0")) throw new BadSource(`${place}.path must be a path`);
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/iu.test(sha256)) throw new BadSource(`${place}.sha256 must be 64 hex digits`);
  return { name: Buffer.from(path, "utf8").toString("latin1"), sha256: sha256.toLowerCase(), place };
}

/** @throws BadSource */
export function jsonObject(bytes: Buffer): object {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new BadSource("it is not JSON in UTF-8");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new BadSource("it is not a JSON object");
}

/** A member of the object itself: none is inherited from a prototype. */
export function own(object: object, key: string): unknown {
  return Object.hasOwn(object, key) ? (object as Record<string, unknown>)[key] : undefined;
}
