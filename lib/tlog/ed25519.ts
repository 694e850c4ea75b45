/** Ed25519 keys by way of node:crypto: made, imported, and as the 32 bytes that notes speak of. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, KeyObject } from "node:crypto";
import type { JsonWebKey } from "node:crypto";
import { TlogError } from "./errors.ts";

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

export function generatePrivateKey(): KeyObject {
  return generateKeyPairSync("ed25519").privateKey;
}

/** A private key in PEM (PKCS #8), as a JWK, or as node:crypto has it already. */
export function importPrivateKey(key: string | Buffer | JsonWebKey | KeyObject): KeyObject {
  const imported = key instanceof KeyObject ? key : parsed(key);
  if (imported.type === "private" && imported.asymmetricKeyType === "ed25519") return imported;
  throw new TlogError("BAD_KEY", `checkpoints are signed with an Ed25519 private key, not with a ${imported.asymmetricKeyType ?? ""} ${imported.type} key`);
}

/** The 32 bytes of RFC 8032, of either half of a key. */
export function rawPublicKey(key: KeyObject): Buffer {
  const { x } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  return Buffer.from(x ?? "", "base64url");
}

export function publicKeyOf(raw: Uint8Array): KeyObject {
  if (raw.length !== PUBLIC_KEY_BYTES) throw new TlogError("BAD_KEY", `an Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes, not ${raw.length}`);
  const x = Buffer.from(raw).toString("base64url");
  return createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } });
}

/** The library's own message may quote the key, so it is neither shown nor attached. */
function parsed(key: string | Buffer | JsonWebKey): KeyObject {
  try {
    return typeof key === "string" || Buffer.isBuffer(key) ? createPrivateKey(key) : createPrivateKey({ format: "jwk", key });
  } catch {
    throw new TlogError("BAD_KEY", "the private key cannot be read; give it in PEM (PKCS #8, not encrypted) or as a JWK");
  }
}
