/** Cosignatures, version 1: a witness says that at this time it saw this tree, and that it continues all that it saw before. */
import { sign, verify } from "node:crypto";
import type { JsonWebKey, KeyObject } from "node:crypto";
import { importPrivateKey, publicKeyOf, rawPublicKey, SIGNATURE_BYTES } from "./ed25519.ts";
import { TlogError } from "./errors.ts";
import { checkKeyName, keyIdOf, TYPE_COSIGNATURE } from "./key-name.ts";
import type { Signer, Verifier } from "./signer.ts";
import { formatVkey, parseVkey } from "./vkey.ts";

const TIME_BYTES = 8;
/** The greatest time that the specification allows. */
const TIME_MAX = 2n ** 63n - 1n;

export class CosignatureVerifier implements Verifier {
  readonly name: string;
  readonly keyId: number;
  readonly #key: KeyObject;

  constructor(vkey: string) {
    const { name, keyId, type, publicKey } = parseVkey(vkey);
    if (type !== TYPE_COSIGNATURE) throw new TlogError("BAD_KEY", `the verifier key of ${name} is of type ${type}; a witness's key is of type ${TYPE_COSIGNATURE} (Ed25519 cosignature)`);
    this.name = name;
    this.keyId = keyId;
    this.#key = publicKeyOf(publicKey);
  }

  verify(text: string, signature: Uint8Array): boolean {
    if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return false;
    const time = rawTime(signature);
    return time > 0n && time <= TIME_MAX && verify(null, message(text, time), this.#key, signature.subarray(TIME_BYTES));
  }
}

/** For witnesses: this project's tests, and a second host of the same operator that watches the first. */
export class Cosigner implements Signer {
  readonly name: string;
  readonly keyId: number;
  readonly vkey: string;
  readonly #key: KeyObject;
  readonly #now: () => number;

  /** `now` gives Unix seconds. */
  constructor(name: string, key: string | Buffer | JsonWebKey | KeyObject, now: () => number) {
    checkKeyName(name);
    this.#key = importPrivateKey(key);
    this.#now = now;
    const publicKey = rawPublicKey(this.#key);
    this.name = name;
    this.keyId = keyIdOf(name, TYPE_COSIGNATURE, publicKey);
    this.vkey = formatVkey(name, TYPE_COSIGNATURE, publicKey);
  }

  sign(text: string): Buffer {
    const time = Buffer.alloc(TIME_BYTES);
    time.writeBigUInt64BE(BigInt(this.#now()));
    return Buffer.concat([time, sign(null, message(text, rawTime(time)), this.#key)]);
  }
}

/** When a verified cosignature was made, in Unix seconds. */
export function cosignedAt(signature: Uint8Array): number {
  return Number(rawTime(signature));
}

function rawTime(signature: Uint8Array): bigint {
  return Buffer.from(signature.buffer, signature.byteOffset, signature.length).readBigUInt64BE(0);
}

function message(text: string, time: bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time.toString()}\n${text}`);
}
