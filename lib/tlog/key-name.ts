/** Names of keys, and the short numbers by which a signature says which key made it. */
import { TlogError } from "./errors.ts";
import { sha256 } from "./hash.ts";
import { quoted } from "./text.ts";

/** Signature types of the C2SP signed-note page that this program makes or checks. */
export const TYPE_ED25519 = 0x01;
export const TYPE_COSIGNATURE = 0x04;

const FORBIDDEN = /[\p{White_Space}+]|[\u0000-\u001f]/u;

/** A name that stands in a signature line without ambiguity: no spaces, no plus, no control characters. */
export function isKeyName(name: string): boolean {
  return name !== "" && name.isWellFormed() && !FORBIDDEN.test(name);
}

export function checkKeyName(name: string): void {
  if (!isKeyName(name)) throw new TlogError("BAD_KEY", `${quoted(name)} is no name of a key: it must not be empty nor hold spaces, '+' or control characters`);
}

/** The first four bytes of SHA-256(name, newline, type, public key). */
export function keyIdOf(name: string, type: number, publicKey: Uint8Array): number {
  return sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), publicKey])).readUInt32BE(0);
}

export function keyIdHex(keyId: number): string {
  return keyId.toString(16).padStart(8, "0");
}
