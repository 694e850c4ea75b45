/** Buffers of JavaScript, pushed block by block into a native pass. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { NativeBytesPass } from "./native.ts";

/** Memory that holds a model. */
export type BytesLike = ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

/** One copy on the event loop: about 0.1 ms. */
const BLOCK_BYTES = 1 << 20;
/** Copies between two turns of the event loop: well below 1 ms. */
const BLOCKS_A_TURN = 2;

/** @throws TypeError when it is no memory at all. */
export function sizeOf(bytes: unknown): number {
  if (ArrayBuffer.isView(bytes) || isMemory(bytes)) return bytes.byteLength;
  throw new TypeError("bytes must be a Buffer, a typed array, a DataView, an ArrayBuffer or a SharedArrayBuffer");
}

/**
 * Copies `bytes` into the pass. The memory is looked up anew for each block, so a buffer that is transferred or
 * shrunk meanwhile ends the push early, and the pass finds the bytes missing.
 */
export async function pushBytes(pass: NativeBytesPass, bytes: BytesLike, total: number): Promise<void> {
  for (let at = 0, turn = 0; at < total; ) {
    const block = blockAt(bytes, at, total);
    if (block.byteLength === 0) return;
    const taken = pass.offer(block);
    at += taken;
    if (taken === 0) await pass.room();
    else if (++turn % BLOCKS_A_TURN === 0) await nextTurn();
  }
}

function blockAt(bytes: BytesLike, at: number, total: number): Uint8Array {
  const view = ArrayBuffer.isView(bytes);
  const memory = view ? bytes.buffer : bytes;
  const start = (view ? bytes.byteOffset : 0) + at;
  const length = Math.min(BLOCK_BYTES, total - at, memory.byteLength - start, bytes.byteLength - at);
  if (length <= 0) return new Uint8Array();
  const block = new Uint8Array(memory, start, length);
  // Other threads may write to shared memory during the native copy; the engine's own copy is made for that.
  return memory instanceof SharedArrayBuffer ? Uint8Array.from(block) : block;
}

function isMemory(bytes: unknown): bytes is ArrayBuffer | SharedArrayBuffer {
  return bytes instanceof ArrayBuffer || bytes instanceof SharedArrayBuffer;
}
