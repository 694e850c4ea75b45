/** Small good GGUF files for the fuzzer to start from: each field and type once. */
import { string, u32, u64 } from "./gguf-bytes.mjs";

/** @returns {Buffer[]} each with the four bytes in front by which the target chooses policy and blocks */
export function ggufSeeds() {
  const files = [file({}), file({ pairs: everyValue() }), file({ tensors: 3 }), file({ pairs: vocabulary(), tensors: 2, alignment: 64 }), shard()];
  return files.flatMap((bytes) => [0, 1, 3, 13].map((policy) => Buffer.concat([Buffer.of(policy, 255, 6, 0), bytes])));
}

const [U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64] = Array(13).keys();
const WIDTHS = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const DEFAULT_ALIGNMENT = 32;

function file({ pairs = [], tensors = 0, alignment = DEFAULT_ALIGNMENT }) {
  const all = [pair("general.architecture", STRING, string("llama")), ...pairs];
  if (alignment !== DEFAULT_ALIGNMENT) all.push(pair("general.alignment", U32, u32(alignment)));
  const rows = Array.from({ length: tensors }, (_, index) => tensor(index, alignment));
  const header = Buffer.concat([Buffer.from("GGUF"), u32(3), u64(tensors), u64(all.length), ...all, ...rows]);
  if (tensors === 0) return header;
  return Buffer.concat([header, Buffer.alloc(-header.length & (alignment - 1)), Buffer.alloc(tensors * alignment)]);
}

/** Two rows of three floats: 24 bytes, padded to the alignment. */
function tensor(index, alignment) {
  return Buffer.concat([string(`blk.${index}.weight`), u32(2), u64(3), u64(2), u32(0), u64(index * alignment)]);
}

function everyValue() {
  const scalars = [U8, I8, U16, I16, U32, I32, F32, BOOL, U64, I64, F64];
  return [
    ...scalars.map((type) => pair(`scalar.${type}`, type, Buffer.alloc(WIDTHS[type], 1))),
    ...scalars.map((type) => pair(`array.${type}`, ARRAY, Buffer.concat([u32(type), u64(2), Buffer.alloc(2 * WIDTHS[type], 1)]))),
  ];
}

function vocabulary() {
  return [
    pair("tokenizer.ggml.model", STRING, string("llama")),
    pair("tokenizer.ggml.tokens", ARRAY, Buffer.concat([u32(STRING), u64(3), string("<s>"), string("a"), string("ä")])),
    pair("tokenizer.ggml.scores", ARRAY, Buffer.concat([u32(F32), u64(3), Buffer.alloc(12)])),
    pair("tokenizer.ggml.token_type", ARRAY, Buffer.concat([u32(I32), u64(3), u32(3), u32(1), u32(1)])),
    pair("tokenizer.ggml.bos_token_id", U32, u32(0)),
    pair("tokenizer.chat_template", STRING, string("{{ messages }}")),
    pair("llama.block_count", U32, u32(2)),
    pair("llama.attention.head_count", U32, u32(4)),
  ];
}

function shard() {
  return file({
    pairs: [pair("split.no", U16, Buffer.of(0, 0)), pair("split.count", U16, Buffer.of(2, 0)), pair("split.tensors.count", I32, u32(5))],
    tensors: 1,
  });
}

const pair = (key, type, value) => Buffer.concat([string(key), u32(type), value]);
