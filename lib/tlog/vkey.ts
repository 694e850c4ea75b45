/** Verifier keys in text: `<name>+<key id in hex>+<base64 of type and public key>`. */
import { TlogError } from "./errors.ts";
import { isKeyName, keyIdHex, keyIdOf } from "./key-name.ts";
import { parseBase64, quoted } from "./text.ts";

export interface Vkey {
  readonly name: string;
  readonly keyId: number;
  /** The kind of signature: {@link TYPE_ED25519} or {@link TYPE_COSIGNATURE}, or one that we cannot check. */
  readonly type: number;
  readonly publicKey: Buffer;
}

const HEX_ID = /^[0-9a-f]{8}$/;

export function formatVkey(name: string, type: number, publicKey: Uint8Array): string {
  const key = Buffer.concat([Buffer.of(type), publicKey]);
  return `${name}+${keyIdHex(keyIdOf(name, type, publicKey))}+${key.toString("base64")}`;
}

/** The key id is computed, not believed: a mistyped key is found here. */
export function parseVkey(text: string): Vkey {
  const [name = "", id = "", ...rest] = text.split("+");
  const key = parseBase64(rest.join("+"), "the verifier key");
  const type = key[0];
  if (!isKeyName(name) || !HEX_ID.test(id) || type === undefined) {
    throw new TlogError("MALFORMED", `${quoted(text)} is no verifier key; it looks like name+12345678+base64`);
  }
  const publicKey = key.subarray(1);
  const keyId = keyIdOf(name, type, publicKey);
  if (keyIdHex(keyId) !== id) throw new TlogError("BAD_KEY", `the verifier key of ${name} says id ${id}, but its key has id ${keyIdHex(keyId)}: it was mistyped or changed`);
  return { name, keyId, type, publicKey };
}
