/** A model file of any size, and a loader over it. */
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { string, u32, u64 } from "../gguf-bytes.mjs";

const NAME = "model.gguf";
const TENSORS = 8;
const F32 = 0;
const STRING = 8;
const BLOCK_BYTES = 1 << 20;

/**
 * Runs `body` with a model of about so many bytes, and frees what it sealed. A step's folder goes with the step.
 *
 * @param {{ home: string, device: { uuid: string, name: string } }} context
 * @param {number} bytes of the file; with `sparse`, bytes that the disk need not have room for
 */
export async function withModel({ home, device }, bytes, body, { sparse = false } = {}) {
  const { AuditLog, ModelLoader } = await import("../../dist/index.js");
  const path = join(home, NAME);
  const tensors = writeModel(path, bytes, sparse);
  const audit = await AuditLog.open(join(home, "audit"));
  const loader = await ModelLoader.open({ root: home, audit });
  try {
    await body({
      path, tensors,
      load: () => loader.load(NAME),
      seal: (options) => loader.seal(NAME, { ...placeOf(device), ...options }),
    });
  } finally {
    await loader[Symbol.asyncDispose]().catch(unlessLost);
    await audit[Symbol.asyncDispose]();
  }
}

/** The double computes on a busy processor: what that takes by the clock says nothing. */
export function placeOf({ uuid, name }) {
  return { device: uuid, backend: "cuda", ...(name === "Driver Double" ? { policy: { slowFactor: 1000 } } : {}) };
}

/** A device that a step has made fail gives nothing back. */
function unlessLost(failure) {
  const codes = [failure, ...(failure.errors ?? [])].map(({ code }) => code);
  if (!codes.includes("VRAM_DEVICE_LOST")) throw failure;
}

/** Tensors whose bytes repeat nowhere near: what is lost or swapped must show. */
function writeModel(path, bytes, sparse) {
  const each = Math.floor(bytes / TENSORS / 4096) * 4096;
  const header = headerOf(each);
  const start = Math.ceil(header.length / 32) * 32;
  const fd = openSync(path, "wx");
  try {
    ftruncateSync(fd, start + (sparse ? each * TENSORS : 0));
    writeSync(fd, header, 0, header.length, 0);
    if (!sparse) fill(fd, start, each * TENSORS);
  } finally {
    closeSync(fd);
  }
  return Array.from({ length: TENSORS }, (_, index) => ({ name: nameOf(index), offset: start + index * each, bytes: each }));
}

function fill(fd, start, bytes) {
  const block = randomBytes(BLOCK_BYTES);
  for (let at = 0; at < bytes; at += block.length) {
    block.writeDoubleLE(at, (at / block.length * 8) % (block.length - 8));
    writeSync(fd, block, 0, Math.min(block.length, bytes - at), start + at);
  }
}

function headerOf(each) {
  return Buffer.concat([
    Buffer.from("GGUF"), u32(3), u64(TENSORS), u64(1), string("general.architecture"), u32(STRING), string("none"),
    ...Array.from({ length: TENSORS }, (_, index) => Buffer.concat([string(nameOf(index)), u32(1), u64(each / 4), u32(F32), u64(index * each)])),
  ]);
}

const nameOf = (index) => `blk.${index}.ffn_up.weight`;

/** Calls `take(bytes, at)` with piece after piece of a range of the file; `at` counts from the range's start. */
export function eachPiece(path, { offset, bytes }, take) {
  const fd = openSync(path, "r");
  const block = Buffer.alloc(Math.min(bytes, 64 * BLOCK_BYTES));
  try {
    for (let at = 0; at < bytes;) {
      const got = readSync(fd, block, 0, Math.min(block.length, bytes - at), offset + at);
      if (got === 0) throw new Error("the model's file ended early");
      take(block.subarray(0, got), at);
      at += got;
    }
  } finally {
    closeSync(fd);
  }
}
