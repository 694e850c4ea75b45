/** Models with one thing changed: what the gate must say of each, and whether the engine was seen to die of it. */
import { array, bool, f32, i32, string, u32, u64 } from "../fixtures/gguf-writer.mjs";
import type { Pair, Spec, Value } from "../fixtures/gguf-writer.mjs";
import { tinyModelSpec } from "../fixtures/models.mjs";

export interface Mutation {
  readonly what: string;
  readonly spec: Spec;
  /** The key that the refusal names; absent where the gate must accept the file. */
  readonly field?: string;
  /** Tried: loading it in node-llama-cpp ends the process. A few only, for each costs a process. */
  readonly kills?: true;
}

const TOKENS = "tokenizer.ggml.tokens";
const sound = tinyModelSpec();
const METADATA: readonly Pair[] = sound.metadata;

/** The tiny model with that pair replaced, or added. */
function changed(key: string, value: Value): Spec {
  const pair: Pair = [key, value];
  const known = METADATA.some(([name]) => name === key);
  return { ...sound, metadata: known ? METADATA.map((old) => (old[0] === key ? pair : old)) : [...METADATA, pair] };
}

function without(key: string): Spec {
  return { ...sound, metadata: METADATA.filter(([name]) => name !== key) };
}

/** The tiny model's tokens, as the texts that they are. */
function soundTokens(): string[] {
  const value = METADATA.find(([key]) => key === TOKENS)?.[1];
  if (value?.type !== "array") throw new Error("the tiny model has no tokens");
  return Array.from(value.values, String);
}

/** Its vocabulary with one token changed. */
function withToken(index: number, text: string): Spec {
  return changed(TOKENS, array("string", soundTokens().with(index, text)));
}

/** A vocabulary without a model, as converters' tests use them. */
function vocabulary(model: string, tokens: string[], ...pairs: Pair[]): Spec {
  return {
    metadata: [
      ["general.architecture", string("llama")],
      ["tokenizer.ggml.model", string(model)],
      [TOKENS, array("string", tokens)],
      ["tokenizer.ggml.merges", array("string", [])],
      ...pairs,
    ],
  };
}

const bytes = (from = 0): string[] => Array.from({ length: 256 - from }, (_, index) => `\\x${(index + from).toString(16).padStart(2, "0")}`);

/** A number of the tiny model changed; the key is the refusal's field. */
function number(name: string, value: number, kills?: true): Mutation {
  const field = `llama.${name}`;
  return { what: `${name} ${value}`, spec: changed(field, u32(value)), field, ...(kills && { kills }) };
}

const deadly: readonly Mutation[] = [
  { what: "a token twice", spec: withToken(261, "a"), field: TOKENS, kills: true },
  { what: "a token twice up to a NUL", spec: withToken(261, "a\0b"), field: TOKENS },
  { what: "the name of an empty token", spec: changed(TOKENS, array("string", soundTokens().with(260, "").with(261, "[EMPTY_260]"))), field: TOKENS },
  { what: "no token for the newline byte", spec: withToken(3 + 10, "other"), field: TOKENS, kills: true },
  { what: "no tokenizer", spec: changed("tokenizer.ggml.model", string("none")), field: "tokenizer.ggml.model", kills: true },
  number("block_count", 0),
  number("block_count", 1_000_000, true),
  number("attention.head_count", 0, true),
  number("attention.key_length", 0),
  number("feed_forward_length", 0),
  number("embedding_length", 65),
  number("expert_used_count", 1),
  number("expert_count", 4, true),
  number("nextn_predict_layers", 3),
  { what: "rope scaling of no known type", spec: changed("llama.rope.scaling.type", string("dynamic")), field: "llama.rope.scaling.type", kills: true },
  { what: "an epsilon that is no number", spec: changed("llama.attention.layer_norm_rms_epsilon", f32(NaN)), field: "llama.attention.layer_norm_rms_epsilon", kills: true },
  { what: "a byte in a word vocabulary", spec: vocabulary("bert", ["[UNK]", "b"], ["tokenizer.ggml.unknown_token_id", u32(0)], ["tokenizer.ggml.token_type", array("i32", [2, 6])]), field: "tokenizer.ggml.token_type" },
  { what: "tokens that fill two gigabytes once decoded", spec: vocabulary("gpt2", ["a", " ".repeat(47_000)]), field: TOKENS },
  { what: "no tokens for the test tokenizer", spec: vocabulary("test", []), field: TOKENS, kills: true },
  { what: "a token that overflows the stack", spec: vocabulary("t5", ["a", "b", "<unk>", "x".repeat(1_000_000)]), field: TOKENS },
];

const refused: readonly Mutation[] = [
  number("attention.head_count_kv", 3),
  number("rope.dimension_count", 7),
  { what: "an RWKV vocabulary that never ends", spec: vocabulary("rwkv", ["\\n\\n", "a"]), field: TOKENS },
  { what: "an id beyond the vocabulary", spec: changed("tokenizer.ggml.bos_token_id", u32(9999)), field: "tokenizer.ggml.bos_token_id" },
  { what: "scores that are too few", spec: changed("tokenizer.ggml.scores", array("f32", [0])), field: "tokenizer.ggml.scores" },
  { what: "tokens that are numbers", spec: changed(TOKENS, array("i32", [0])), field: TOKENS },
];

const accepted: readonly Mutation[] = [
  { what: "the tiny model", spec: sound },
  { what: "no feature that is optional", spec: without("llama.attention.head_count_kv") },
  { what: "an id that means none", spec: changed("tokenizer.ggml.bos_token_id", u32(0xffff_ffff)) },
  { what: "padding beyond the vocabulary", spec: changed("tokenizer.ggml.padding_token_id", u32(9999)) },
  { what: "empty tokens", spec: changed(TOKENS, array("string", soundTokens().with(260, "").with(261, ""))) },
  { what: "scores of integers", spec: changed("tokenizer.ggml.scores", array("i32", soundTokens().map(() => 0))) },
  { what: "an epsilon of 0", spec: changed("llama.attention.layer_norm_rms_epsilon", f32(0)) },
  { what: "heads layer by layer", spec: changed("llama.attention.head_count", array("u32", [4, 4])) },
  { what: "a count of the wrong type", spec: changed("llama.block_count", i32(-1)) },
  { what: "a count of 64 bits", spec: changed("llama.block_count", u64(2)) },
  { what: "a list where a number belongs", spec: changed("llama.embedding_length", array("u32", [64])) },
  { what: "too many blocks, but possible ones", spec: changed("llama.block_count", u32(512)) },
  { what: "a list of heads that is too long", spec: changed("llama.attention.head_count", array("u32", [4, 4, 4])) },
  { what: "no context", spec: changed("llama.context_length", u32(0)) },
  { what: "an unknown architecture", spec: changed("general.architecture", string("no-such-model")) },
  { what: "an unknown tokenizer", spec: changed("tokenizer.ggml.model", string("no-such-tokenizer")) },
  { what: "a bool that is a number", spec: changed("tokenizer.ggml.add_bos_token", u32(1)) },
  { what: "a bool of 7", spec: changed("tokenizer.ggml.add_bos_token", bool(7)) },
  { what: "no tokenizer's name", spec: without("tokenizer.ggml.model") },
  { what: "no embedding length", spec: without("llama.embedding_length") },
  { what: "a whole RWKV vocabulary", spec: vocabulary("rwkv", ["<s>", ...bytes()]) },
  { what: "a t5 vocabulary", spec: vocabulary("t5", ["<pad>", "</s>", "<unk>", "▁some"]) },
  { what: "a byte-level vocabulary of two tokens", spec: vocabulary("gpt2", ["a", "b"]) },
  { what: "a word vocabulary", spec: vocabulary("bert", ["[UNK]", "some"], ["tokenizer.ggml.unknown_token_id", u32(0)]) },
];

export const MUTATIONS: readonly Mutation[] = [...deadly, ...refused, ...accepted];
