/**
 * A path's bytes as a string with one character a byte.
 *
 * File names need not be text. Decoded to UTF-8 a hostile name would name another file, or none; in this form
 * node:path can work on it and the bytes come out as they went in.
 */
import { isUtf8 } from "node:buffer";

export type BytePath = string & { readonly __bytes: true };

export function fromBytes(bytes: Uint8Array): BytePath {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1") as BytePath;
}

export function fromText(text: string): BytePath {
  return fromBytes(Buffer.from(text, "utf8"));
}

export function toBytes(path: BytePath): Buffer {
  return Buffer.from(path, "latin1");
}

/** For people and JSON: what is not UTF-8 becomes U+FFFD. */
export function toText(path: BytePath): string {
  return toBytes(path).toString("utf8");
}

export function isText(path: BytePath): boolean {
  return isUtf8(toBytes(path));
}

/** Appends a relative path to a folder, as `find` prints it. */
export function under(folder: BytePath, name: BytePath): BytePath {
  if (folder === "" || folder.endsWith("/")) return (folder + name) as BytePath;
  return `${folder}/${name}` as BytePath;
}
