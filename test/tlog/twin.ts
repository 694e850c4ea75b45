/** RFC 6962, section 2.1, word for word: slow, recursive, and sharing no line with what it is compared to. */
import { createHash } from "node:crypto";

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const digest = createHash("sha256");
  for (const part of parts) digest.update(part);
  return digest.digest();
}

export function twinLeaf(record: Uint8Array): Buffer {
  return sha256(Buffer.of(0), record);
}

/** All trees over the first records of one list; ranges are remembered, or the tests would take minutes. */
export class Twin {
  readonly leaves: readonly Buffer[];
  readonly #known = new Map<string, Buffer>();

  constructor(leaves: readonly Buffer[]) {
    this.leaves = leaves;
  }

  /** MTH(D[from:to]). */
  mth(from: number, to: number): Buffer {
    const key = `${from}:${to}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const hash = this.#mth(from, to);
    this.#known.set(key, hash);
    return hash;
  }

  root(size: number): Buffer {
    return this.mth(0, size);
  }

  /** PATH(m, D[from:to]), with m counted from `from`. */
  path(m: number, from: number, to: number): Buffer[] {
    const n = to - from;
    if (n === 1) return [];
    const k = split(n);
    if (m < k) return [...this.path(m, from, from + k), this.mth(from + k, to)];
    return [...this.path(m - k, from + k, to), this.mth(from, from + k)];
  }

  /** SUBPROOF(m, D[from:to], b). */
  subproof(m: number, from: number, to: number, b: boolean): Buffer[] {
    const n = to - from;
    if (m === n) return b ? [] : [this.mth(from, to)];
    const k = split(n);
    if (m <= k) return [...this.subproof(m, from, from + k, b), this.mth(from + k, to)];
    return [...this.subproof(m - k, from + k, to, false), this.mth(from, from + k)];
  }

  #mth(from: number, to: number): Buffer {
    if (to === from) return sha256();
    if (to - from === 1) return this.leaves[from] ?? Buffer.alloc(0);
    const k = split(to - from);
    return sha256(Buffer.of(1), this.mth(from, from + k), this.mth(from + k, to));
  }
}

/** The largest power of two smaller than n. */
function split(n: number): number {
  return 2 ** (Math.ceil(Math.log2(n)) - 1);
}
