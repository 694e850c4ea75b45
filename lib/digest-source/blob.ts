/**
 * Stores in which a file's name is its digest. What counts is where the opened file really lies, so it does not matter by how many
 * links it was reached.
 */

export type BlobStore = "huggingface" | "ollama";

const BLOB: Readonly<Record<BlobStore, RegExp>> = {
  /** huggingface_hub: large files under their SHA-256. Names of 40 digits are git's, and no digests of the content alone. */
  huggingface: /\/blobs\/([0-9a-f]{64})$/u,
  ollama: /\/blobs\/sha256-([0-9a-f]{64})$/u,
};

/** The digest that the file's own name is, in such a store. */
export function digestOfBlob(store: BlobStore, realPath: Uint8Array): string | undefined {
  return BLOB[store].exec(Buffer.from(realPath).toString("latin1"))?.[1];
}
