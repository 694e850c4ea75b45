/** Who signs notes, and who checks them: plain Ed25519 signatures over the note's text. */
import { sign, verify } from "node:crypto";
import type { JsonWebKey, KeyObject } from "node:crypto";
import { importPrivateKey, publicKeyOf, rawPublicKey, SIGNATURE_BYTES } from "./ed25519.ts";
import { TlogError } from "./errors.ts";
import { checkKeyName, keyIdOf, TYPE_ED25519 } from "./key-name.ts";
import { formatVkey, parseVkey } from "./vkey.ts";

export interface Verifier {
  readonly name: string;
  readonly keyId: number;
  verify(text: string, signature: Uint8Array): boolean;
}

export interface Signer {
  readonly name: string;
  readonly keyId: number;
  /** The public half, to be handed to those who check. */
  readonly vkey: string;
  sign(text: string): Buffer;
}

export class NoteSigner implements Signer {
  readonly name: string;
  readonly keyId: number;
  readonly vkey: string;
  readonly #key: KeyObject;

  constructor(name: string, key: string | Buffer | JsonWebKey | KeyObject) {
    checkKeyName(name);
    this.#key = importPrivateKey(key);
    const publicKey = rawPublicKey(this.#key);
    this.name = name;
    this.keyId = keyIdOf(name, TYPE_ED25519, publicKey);
    this.vkey = formatVkey(name, TYPE_ED25519, publicKey);
  }

  sign(text: string): Buffer {
    return sign(null, Buffer.from(text), this.#key);
  }

  verifier(): NoteVerifier {
    return new NoteVerifier(this.vkey);
  }
}

export class NoteVerifier implements Verifier {
  readonly name: string;
  readonly keyId: number;
  readonly #key: KeyObject;

  constructor(vkey: string) {
    const { name, keyId, type, publicKey } = parseVkey(vkey);
    if (type !== TYPE_ED25519) throw new TlogError("BAD_KEY", `the verifier key of ${name} is of type ${type}; a log's key is of type ${TYPE_ED25519} (Ed25519)`);
    this.name = name;
    this.keyId = keyId;
    this.#key = publicKeyOf(publicKey);
  }

  verify(text: string, signature: Uint8Array): boolean {
    return signature.length === SIGNATURE_BYTES && verify(null, Buffer.from(text), this.#key, signature);
  }
}
