/** Where the promise of a model's digest comes from, if not from the caller. */

/**
 * `sha256sums`: a file as sha256sum writes it. `manifest`: our own JSON. `huggingface`: the name of the blob in a cache of
 * huggingface_hub. `ollama`: the name of the blob in an Ollama store, and the manifests that name it.
 */
export type DigestSourceName = "sha256sums" | "manifest" | "huggingface" | "ollama";

export const DIGEST_SOURCES: readonly DigestSourceName[] = ["sha256sums", "manifest", "huggingface", "ollama"];

/** The file that is read where none is named: it lies beside the model. */
export const FILE_BESIDE: Readonly<Record<"sha256sums" | "manifest", string>> = { sha256sums: "SHA256SUMS", manifest: "model-digests.json" };

export interface DigestSource {
  readonly name: DigestSourceName;
  /** The path of the file that was named, in the bytes of the kernel. */
  readonly file: Uint8Array | undefined;
}

/** A file of digests that is not what it should be. */
export class BadSource extends Error {
  override readonly name = "BadSource";
  /** Byte offset in the file. */
  readonly offset: number | undefined;

  constructor(message: string, offset?: number) {
    super(message);
    this.offset = offset;
  }
}

/** One line of a file of digests. Its name is in latin1, a character a byte, and relative to the file's folder, or absolute. */
export interface NamedDigest {
  readonly name: string;
  readonly sha256: string;
  /** Where in the file it stands, for people. */
  readonly place: string;
}
