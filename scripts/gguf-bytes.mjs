/** The pieces that GGUF files are made of, for scripts that write some. */

export const string = (text) => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);

export function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
