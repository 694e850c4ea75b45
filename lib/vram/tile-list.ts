/** The values of a model's tiles: what a verifier elsewhere holds to know the answers to fresh challenges. */
import { native } from "../native.ts";
import { digestBytes } from "./options.ts";

/**
 * Of one file: 32 bytes for each 256 KiB. The list alone proves nothing: compare {@link blake3} with the digest of the file as you
 * know it (`b3sum`). Then nobody can have made another list.
 */
export class TileList {
  /** The values one after another: to be kept, or sent. */
  readonly bytes: Uint8Array;
  /** The file's size. */
  readonly sizeBytes: number;
  /** BLAKE3 of the file whose tiles these are, in lower-case hex: computed from the values. */
  readonly blake3: string;

  /** @throws TypeError where a file of this size has not so many tiles */
  constructor(bytes: Uint8Array, sizeBytes: number) {
    if (!(bytes instanceof Uint8Array)) throw new TypeError("bytes must be a Buffer or Uint8Array of tile values, 32 bytes each");
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new TypeError("sizeBytes must be the size of the file, in bytes");
    this.bytes = Uint8Array.from(bytes);
    this.sizeBytes = sizeBytes;
    this.blake3 = rootOf(this.bytes, sizeBytes);
  }

  /**
   * What `freshness.response` of `shard.challenge(nonce)` must be: BLAKE3, keyed by the nonce, over the file's list; of a split model
   * over the parts' own such responses.
   * @param lists one a file, in order @param nonce 32 bytes, or their 64 hex digits @throws TypeError
   */
  static response(lists: readonly TileList[], nonce: Uint8Array | string): string {
    if (!Array.isArray(lists) || lists.length === 0 || !lists.every((list) => list instanceof TileList)) throw new TypeError("lists must be an array of one TileList a file of the model");
    return native.tileListResponse(lists.map(({ bytes }) => bytes), digestBytes(nonce, "nonce"));
  }
}

function rootOf(bytes: Uint8Array, sizeBytes: number): string {
  try {
    return native.tileListRoot(bytes, sizeBytes);
  } catch (failure) {
    throw new TypeError(`these are no tile values of a file of ${sizeBytes} bytes: ${(failure as Error).message}`, { cause: failure });
  }
}
