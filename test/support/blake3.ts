/** BLAKE3 by the text of its specification, one chunk after another: slow, short and not ours to break together. */

const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const CHUNK_BYTES = 1024;
const BLOCK_BYTES = 64;
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;

/** A node whose last compression waits until it is known whether it is the root. */
interface Node {
  readonly chaining: Uint32Array;
  readonly words: Uint32Array;
  readonly counter: number;
  readonly length: number;
  readonly flags: number;
}

export function blake3Hex(bytes: Uint8Array): string {
  const node = subtree(bytes, 0);
  return Buffer.from(compress({ ...node, flags: node.flags | ROOT }).buffer).toString("hex");
}

function subtree(bytes: Uint8Array, firstChunk: number): Node {
  if (bytes.length <= CHUNK_BYTES) return chunk(bytes, firstChunk);
  const chunks = Math.ceil(bytes.length / CHUNK_BYTES);
  const left = 2 ** Math.floor(Math.log2(chunks - 1));
  const at = left * CHUNK_BYTES;
  const values = [compress(subtree(bytes.subarray(0, at), firstChunk)), compress(subtree(bytes.subarray(at), firstChunk + left))];
  return { chaining: Uint32Array.from(IV), words: Uint32Array.from(values.flatMap((value) => [...value])), counter: 0, length: BLOCK_BYTES, flags: PARENT };
}

function chunk(bytes: Uint8Array, counter: number): Node {
  const blocks = Math.max(1, Math.ceil(bytes.length / BLOCK_BYTES));
  let chaining = Uint32Array.from(IV);
  for (let index = 0; ; index += 1) {
    const block = bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
    const flags = (index === 0 ? CHUNK_START : 0) | (index === blocks - 1 ? CHUNK_END : 0);
    const node = { chaining, words: wordsOf(block), counter, length: block.length, flags };
    if (index === blocks - 1) return node;
    chaining = compress(node);
  }
}

function wordsOf(block: Uint8Array): Uint32Array {
  const padded = new Uint8Array(BLOCK_BYTES);
  padded.set(block);
  return new Uint32Array(padded.buffer);
}

function compress({ chaining, words, counter, length, flags }: Node): Uint32Array<ArrayBuffer> {
  const state = new Uint32Array(16);
  state.set(chaining);
  state.set(IV.slice(0, 4), 8);
  state.set([counter, 0, length, flags], 12);
  let message = words;
  for (let round = 0; round < 7; round += 1) {
    for (let column = 0; column < 4; column += 1) mix(state, column, 4 + column, 8 + column, 12 + column, message, 2 * column);
    for (let column = 0; column < 4; column += 1) {
      mix(state, column, 4 + ((column + 1) % 4), 8 + ((column + 2) % 4), 12 + ((column + 3) % 4), message, 8 + 2 * column);
    }
    message = permuted(message);
  }
  const value = new Uint32Array(8);
  for (let word = 0; word < 8; word += 1) value[word] = (state[word] ?? 0) ^ (state[word + 8] ?? 0);
  return value;
}

function permuted(words: Uint32Array): Uint32Array {
  const next = new Uint32Array(16);
  for (let word = 0; word < 16; word += 1) next[word] = words[PERMUTATION[word] ?? 0] ?? 0;
  return next;
}

function mix(state: Uint32Array, a: number, b: number, c: number, d: number, message: Uint32Array, at: number): void {
  half(state, a, b, c, d, message[at] ?? 0, 16, 12);
  half(state, a, b, c, d, message[at + 1] ?? 0, 8, 7);
}

function half(state: Uint32Array, a: number, b: number, c: number, d: number, word: number, first: number, second: number): void {
  state[a] = (state[a] ?? 0) + (state[b] ?? 0) + word;
  state[d] = rotated((state[d] ?? 0) ^ (state[a] ?? 0), first);
  state[c] = (state[c] ?? 0) + (state[d] ?? 0);
  state[b] = rotated((state[b] ?? 0) ^ (state[c] ?? 0), second);
}

function rotated(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}
