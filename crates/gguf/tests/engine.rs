//! Engine safety (rule 45): one row a rule, refused with code, offset and field by default and
//! accepted with the rule off; and vocabularies that must pass.
// The files here are small.
#![allow(missing_docs, clippy::cast_possible_truncation)]

mod common;

use common::{BOOL, F32, I32, Raw, STR, U32, refused};
use gguf::{Code, Policy, parse};

const TOKENS: &str = "tokenizer.ggml.tokens";

/// Refused by default at the mark, for that key; accepted with engine safety off.
#[track_caller]
fn aborts(field: &str, raw: &Raw) -> String {
    let error = refused(raw, Code::EngineUnsafe);
    assert_eq!(error.field.as_deref(), Some(field), "{error}");
    let off = Policy {
        engine_safety: false,
        ..Policy::default()
    };
    parse(&raw.bytes, off).unwrap_or_else(|error| panic!("{error}"));
    error.message
}

#[track_caller]
fn passes(raw: &Raw) {
    parse(&raw.bytes, Policy::default()).unwrap_or_else(|error| panic!("{error}"));
}

/// A llama file with so many pairs behind its architecture.
fn llama(pairs: u64) -> Raw {
    Raw::v3(0, pairs + 1).architecture()
}

/// The same with weights, which [`weights`] must close.
fn llama_with_weights(pairs: u64) -> Raw {
    Raw::v3(2, pairs + 1).architecture()
}

fn weights(raw: Raw) -> Raw {
    raw.tensor("token_embd.weight", &[8], 0, 0)
        .tensor("blk.0.attn_norm.weight", &[8], 0, 32)
        .pad(32)
        .zeros(64)
}

fn strings(raw: Raw, key: &str, texts: &[&[u8]]) -> Raw {
    let start = raw.array(key, STR, texts.len() as u64);
    texts.iter().fold(start, Raw::string)
}

/// The same, with the mark at the text of one element.
fn strings_marked(raw: Raw, key: &str, texts: &[&[u8]], marked: usize) -> Raw {
    let start = raw.array(key, STR, texts.len() as u64);
    texts.iter().enumerate().fold(start, |raw, (index, text)| {
        let raw = raw.u64(text.len() as u64);
        if index == marked {
            raw.here().raw(text)
        } else {
            raw.raw(text)
        }
    })
}

/// The same, with the mark at the array.
fn strings_here(raw: Raw, key: &str, texts: &[&[u8]]) -> Raw {
    let start = raw.key(key, 9).here().u32(STR).u64(texts.len() as u64);
    texts.iter().fold(start, Raw::string)
}

fn ints(raw: Raw, key: &str, values: &[i32]) -> Raw {
    let start = raw.array(key, I32, values.len() as u64);
    values.iter().fold(start, |raw, &value| raw.i32(value))
}

fn model(raw: Raw, name: &str) -> Raw {
    raw.pair_string("tokenizer.ggml.model", name)
}

#[test]
fn a_token_that_is_there_twice() {
    let tokens: [&[u8]; 5] = [b"<unk>", b"a", b"b", b"a", b"b"];
    let message = aborts(TOKENS, &strings_marked(llama(1), TOKENS, &tokens, 3));
    assert!(
        message.starts_with("token 3, 'a', is there before"),
        "{message}"
    );
}

#[test]
fn tokens_that_are_equal_up_to_a_nul() {
    aborts(
        TOKENS,
        &strings_marked(llama(1), TOKENS, &[b"a", b"b", b"a\0c"], 2),
    );
    aborts(
        TOKENS,
        &strings_marked(llama(1), TOKENS, &[b"a\0b", b"b", b"a\0c"], 2),
    );
}

#[test]
fn a_token_that_has_the_name_of_an_empty_one() {
    aborts(
        TOKENS,
        &strings_marked(llama(1), TOKENS, &[b"[EMPTY_1]", b"", b"a"], 1),
    );
    aborts(
        TOKENS,
        &strings_marked(llama(1), TOKENS, &[b"", b"b", b"[EMPTY_0]"], 2),
    );
    aborts(
        TOKENS,
        &strings_marked(llama(1), TOKENS, &[b"\0x", b"[EMPTY_0]"], 1),
    );
}

#[test]
fn empty_tokens_are_not_equal() {
    passes(&strings(
        llama(1),
        TOKENS,
        &[b"", b"", b"\0", b"[EMPTY_0x]", b"[EMPTY_7]"],
    ));
}

#[test]
fn a_duplicate_among_many() {
    let texts: Vec<String> = (0..20_000)
        .map(|index| format!("token {}", index % 19_999))
        .collect();
    let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    let raw = strings_marked(llama(1), TOKENS, &texts, 19_999);
    let error = parse(&raw.bytes, Policy::default()).expect_err("token 0 is there twice");
    assert_eq!((error.code, error.offset), (Code::EngineUnsafe, raw.mark));
    passes(&strings(llama(1), TOKENS, &texts[..19_999]));
}

#[test]
fn vocabulary_arrays_of_a_type_that_engines_take_for_another() {
    aborts(
        TOKENS,
        &llama(1).key(TOKENS, 9).here().u32(I32).u64(1).i32(0),
    );
    aborts(TOKENS, &llama(1).key(TOKENS, U32).here().u32(0));
    let two: [&[u8]; 2] = [b"a", b"b"];
    let with = |key: &str| strings(llama(2), TOKENS, &two).key(key, 9).here();
    aborts(
        "tokenizer.ggml.scores",
        &with("tokenizer.ggml.scores").u32(0).u64(2).raw(&[0; 2]),
    );
    aborts(
        "tokenizer.ggml.token_type",
        &with("tokenizer.ggml.token_type")
            .u32(U32)
            .u64(2)
            .raw(&[0; 8]),
    );
    aborts(
        "tokenizer.ggml.merges",
        &with("tokenizer.ggml.merges").u32(I32).u64(1).i32(0),
    );
}

#[test]
fn vocabulary_arrays_that_are_too_short() {
    let two: [&[u8]; 2] = [b"a", b"b"];
    let with = |key: &str| strings(llama(2), TOKENS, &two).key(key, 9).here();
    aborts(
        "tokenizer.ggml.scores",
        &with("tokenizer.ggml.scores").u32(F32).u64(1).u32(0),
    );
    aborts(
        "tokenizer.ggml.token_type",
        &with("tokenizer.ggml.token_type").u32(I32).u64(1).i32(1),
    );
    let scores =
        |kind, count| strings(llama(2), TOKENS, &two).array("tokenizer.ggml.scores", kind, count);
    passes(&scores(F32, 2).zeros(8));
    passes(&scores(F32, 3).zeros(12));
    passes(&scores(I32, 2).zeros(8));
}

#[test]
fn ids_beyond_the_vocabulary() {
    for name in [
        "bos", "eos", "eot", "eom", "unknown", "mask", "fim_pre", "prefix",
    ] {
        let key = format!("tokenizer.ggml.{name}_token_id");
        let with = || strings(llama(2), TOKENS, &[b"a", b"b"]).key(&key, U32);
        aborts(&key, &with().here().u32(2));
        passes(&with().u32(1));
        // "There is none", as converters write it.
        passes(&with().u32(u32::MAX));
    }
    for name in ["padding", "seperator"] {
        let key = format!("tokenizer.ggml.{name}_token_id");
        passes(&strings(llama(2), TOKENS, &[b"a", b"b"]).pair_u32(key, 2));
    }
}

#[test]
fn models_without_a_tokenizer() {
    for name in ["none", "no_vocab", "none\0more"] {
        let key = "tokenizer.ggml.model";
        aborts(
            key,
            &weights(llama_with_weights(1).key(key, STR).here().string(name)),
        );
        passes(&model(llama(1), name));
    }
    passes(&weights(model(llama_with_weights(1), "llama")));
}

/// `<unk>`, `<s>`, `</s>` and a token for every byte, but without those.
fn byte_tokens(without: &[u8]) -> Vec<Vec<u8>> {
    let bytes = (0..=u8::MAX).filter(|byte| !without.contains(byte));
    let special = ["<unk>", "<s>", "</s>"].map(|text| text.as_bytes().to_vec());
    special
        .into_iter()
        .chain(bytes.map(|byte| format!("<0x{byte:02X}>").into_bytes()))
        .collect()
}

fn slices(texts: &[Vec<u8>]) -> Vec<&[u8]> {
    texts.iter().map(Vec::as_slice).collect()
}

#[test]
fn a_sentencepiece_vocabulary_that_cannot_spell_every_text() {
    let start = || model(llama_with_weights(2), "llama");
    let sound = |tokens: &[&[u8]]| passes(&weights(strings(start(), TOKENS, tokens)));
    let broken = |tokens: &[&[u8]]| {
        // Vocabularies alone may be as small as they like.
        passes(&strings(model(llama(2), "llama"), TOKENS, tokens));
        aborts(TOKENS, &weights(strings_here(start(), TOKENS, tokens)))
    };
    let whole = byte_tokens(&[]);
    sound(&slices(&whole));
    // Never part of UTF-8.
    sound(&slices(&byte_tokens(&[0xc0, 0xff])));
    let message = broken(&slices(&byte_tokens(&[0x80])));
    assert!(message.contains("<0x80>"), "{message}");
    // A plain byte is as good.
    let mut plain = byte_tokens(b"A");
    plain.push(b"A".to_vec());
    sound(&slices(&plain));
    broken(&[b"<unk>", b"<s>", b"</s>", b"a"]);
    let spelled: Vec<&[u8]> = ["\n", "\u{2581}", "s", "o", "m", "e", "t", "x", "h", "r"]
        .map(str::as_bytes)
        .to_vec();
    sound(&spelled);
    broken(&spelled[1..]);
}

#[test]
fn a_word_vocabulary_with_byte_tokens() {
    let tokens: [&[u8]; 2] = [b"a", b"b"];
    let start = || {
        strings(model(llama(4), "bert"), TOKENS, &tokens)
            .pair_u32("tokenizer.ggml.unknown_token_id", 0)
    };
    let types = start()
        .array("tokenizer.ggml.token_type", I32, 2)
        .i32(1)
        .here()
        .i32(6);
    aborts("tokenizer.ggml.token_type", &types);
    passes(&ints(start(), "tokenizer.ggml.token_type", &[1, 3]));
}

#[test]
fn vocabularies_without_an_unknown_token() {
    let start = |pairs, name| model(llama_with_weights(pairs), name);
    for name in ["bert", "t5"] {
        let tokens: [&[u8]; 2] = [b"a", b"b"];
        aborts(
            TOKENS,
            &weights(strings_here(start(2, name), TOKENS, &tokens)),
        );
        passes(&strings(model(llama(2), name), TOKENS, &tokens));
        let with = strings(start(3, name), TOKENS, &tokens);
        passes(&weights(
            with.pair_u32("tokenizer.ggml.unknown_token_id", 1),
        ));
    }
    // The default of t5.
    passes(&weights(strings(
        start(2, "t5"),
        TOKENS,
        &[b"a", b"b", b"<unk>"],
    )));
}

#[test]
fn tokens_that_overflow_the_stack() {
    for name in ["t5", "rwkv"] {
        let long = vec![b'a'; (8 << 10) + 1];
        let tokens: [&[u8]; 4] = [b"a", b"b", b"<", &long];
        aborts(
            TOKENS,
            &strings_marked(model(llama(2), name), TOKENS, &tokens, 3),
        );
        let raw = strings(
            model(llama(3), name),
            TOKENS,
            &[b"a", b"b", b"<", &long[1..]],
        );
        passes(&raw.pair_u32("tokenizer.ggml.unknown_token_id", 0));
    }
}

#[test]
fn an_rwkv_vocabulary_that_never_ends() {
    let unknown = |raw: Raw| raw.pair_u32("tokenizer.ggml.unknown_token_id", 0);
    aborts(
        TOKENS,
        &unknown(strings_here(
            model(llama(3), "rwkv"),
            TOKENS,
            &[br"\n\n", b"a"],
        )),
    );
    passes(&unknown(strings(
        model(llama(3), "rwkv"),
        TOKENS,
        &[br"\n\n", br"\x0a", b"a"],
    )));
    aborts(
        TOKENS,
        &weights(strings_here(
            model(llama_with_weights(2), "rwkv"),
            TOKENS,
            &[br"\n", b"a"],
        )),
    );
    let spelled: Vec<&[u8]> = [r"\n", " ", "s", "o", "m", "e", "t", "x", "h", "r", r"\xe2"]
        .map(str::as_bytes)
        .to_vec();
    passes(&strings(model(llama(2), "rwkv"), TOKENS, &spelled));
}

#[test]
fn byte_level_tokens_that_explode_when_decoded() {
    let spaces = vec![b' '; 20_000];
    aborts(
        TOKENS,
        &strings_here(model(llama(2), "gpt2"), TOKENS, &[b"a", &spaces]),
    );
    // Letters stand for themselves, and these tokenizers do not decode.
    let letters = vec![b'x'; 20_000];
    passes(&strings(model(llama(2), "gpt2"), TOKENS, &[b"a", &letters]));
    let gemma4 = strings(model(llama(3), "gpt2"), TOKENS, &[b"a", &spaces]);
    passes(&gemma4.pair_string("tokenizer.ggml.pre", "gemma4"));
}

#[test]
fn a_suffix_table_over_broken_text() {
    aborts(
        TOKENS,
        &strings_marked(model(llama(2), "plamo2"), TOKENS, &[b"a", b"\n\x80"], 1),
    );
}

#[test]
fn a_division_by_no_tokens() {
    aborts(TOKENS, &strings_here(model(llama(2), "test"), TOKENS, &[]));
    passes(&strings(model(llama(2), "test"), TOKENS, &[b"a"]));
}

#[test]
fn counts_of_blocks() {
    for count in [0, 513, 1_000_000, u32::MAX] {
        aborts(
            "llama.block_count",
            &llama(1).key("llama.block_count", U32).here().u32(count),
        );
    }
    for count in [1, 512] {
        passes(&llama(1).pair_u32("llama.block_count", count));
    }
    // The engine refuses another type by itself.
    passes(&llama(1).key("llama.block_count", I32).i32(-1));
    let blocks = || llama(2).pair_u32("llama.block_count", 2);
    aborts(
        "llama.nextn_predict_layers",
        &blocks()
            .key("llama.nextn_predict_layers", U32)
            .here()
            .u32(3),
    );
    passes(&blocks().pair_u32("llama.nextn_predict_layers", 2));
}

#[test]
fn no_attention_heads() {
    aborts(
        "llama.attention.head_count",
        &llama(1)
            .key("llama.attention.head_count", U32)
            .here()
            .u32(0),
    );
    let heads = llama(2)
        .pair_u32("llama.embedding_length", 64)
        .key("llama.attention.head_count", U32);
    aborts("llama.attention.head_count", &heads.here().u32(65));
    let mamba = Raw::v3(0, 2).pair_string("general.architecture", "mamba");
    passes(&mamba.pair_u32("mamba.attention.head_count", 0));
}

#[test]
fn a_rope_scaling_type_that_does_not_exist() {
    aborts(
        "llama.rope.scaling.type",
        &llama(1)
            .key("llama.rope.scaling.type", STR)
            .here()
            .string("dynamic"),
    );
    for name in ["none", "linear", "yarn", "longrope"] {
        passes(&llama(1).pair_string("llama.rope.scaling.type", name));
    }
}

#[test]
fn an_epsilon_below_zero() {
    let key = "llama.attention.layer_norm_rms_epsilon";
    for epsilon in [-1e-6_f32, f32::NAN, f32::NEG_INFINITY] {
        aborts(
            key,
            &llama(1).key(key, F32).here().raw(&epsilon.to_le_bytes()),
        );
    }
    for epsilon in [0.0_f32, -0.0, 1e-5] {
        passes(&llama(1).key(key, F32).raw(&epsilon.to_le_bytes()));
    }
}

/// Two blocks and these numbers, in order; the mark is at the last.
fn numbers(names: &[(&str, u32)]) -> Raw {
    let start = llama(names.len() as u64 + 1).pair_u32("llama.block_count", 2);
    names.iter().fold(start, |raw, (name, value)| {
        raw.key(format!("llama.{name}"), U32).here().u32(*value)
    })
}

#[test]
fn experts_that_do_not_add_up() {
    let (count, used, groups, group_used) = (
        "expert_count",
        "expert_used_count",
        "expert_group_count",
        "expert_group_used_count",
    );
    let rows: [&[(&str, u32)]; 9] = [
        &[(used, 2), (count, 1025)],
        &[(count, 4)],
        &[(count, 4), (used, 0)],
        &[(count, 4), (used, 5)],
        &[(used, 1)],
        &[(count, 4), (used, 2), (groups, 4)],
        &[(count, 4), (used, 2), (groups, 3)],
        &[(count, 4), (used, 2), (groups, 2), (group_used, 2)],
        &[(groups, 1)],
    ];
    for row in rows {
        let field = format!("llama.{}", row.last().map_or("", |(name, _)| name));
        aborts(&field, &numbers(row));
    }
    passes(&numbers(&[(count, 4), (used, 4), (groups, 1)]));
    passes(&numbers(&[
        (count, 8),
        (used, 2),
        (groups, 4),
        (group_used, 2),
    ]));
    passes(&numbers(&[(count, 0), (used, 0), (groups, 0)]));
}

#[test]
fn experts_used_layer_by_layer() {
    let start = || {
        llama(3)
            .pair_u32("llama.block_count", 2)
            .pair_u32("llama.expert_count", 4)
    };
    let key = "llama.expert_used_count";
    aborts(key, &start().array(key, U32, 2).u32(4).here().u32(5));
    aborts(key, &start().array(key, I32, 2).here().i32(-1).i32(5));
    aborts(key, &start().array(key, U32, 2).u32(4).here().u32(2));
    passes(&ints(start(), key, &[4, 4]));
    let nemotron = Raw::v3(0, 4).pair_string("general.architecture", "nemotron_h");
    let nemotron = nemotron
        .pair_u32("nemotron_h.block_count", 2)
        .pair_u32("nemotron_h.expert_count", 4);
    passes(&ints(nemotron, "nemotron_h.expert_used_count", &[4, 0]));
    // The engine refuses a wrong length by itself.
    passes(&ints(start(), key, &[9, 9, 9]));
}

/// A llama model of one block with 64 dimensions and 4 heads, its numbers overridden and marked.
fn block(changed: &str, value: u32) -> Raw {
    let numbers = [
        ("block_count", 1),
        ("embedding_length", 64),
        ("feed_forward_length", 128),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("attention.key_length", 16),
        ("attention.value_length", 16),
        ("rope.dimension_count", 16),
    ];
    let start = Raw::v3(TENSORS.len() as u64, numbers.len() as u64 + 1).architecture();
    let raw = numbers.iter().fold(start, |raw, &(name, sound)| {
        let raw = raw.key(format!("llama.{name}"), U32);
        if name == changed {
            raw.here().u32(value)
        } else {
            raw.u32(sound)
        }
    });
    tensors(raw)
}

/// Name, shape, type: f32 (0) or `q8_0` (8).
const TENSORS: [(&str, [u64; 2], u32); 8] = [
    ("token_embd.weight", [64, 3], 8),
    ("blk.0.attn_q.weight", [64, 64], 8),
    ("blk.0.attn_k.weight", [64, 32], 8),
    ("blk.0.attn_v.weight", [64, 32], 8),
    ("blk.0.attn_output.weight", [64, 64], 8),
    ("blk.0.ffn_up.weight", [64, 128], 8),
    ("blk.0.ffn_gate.weight", [64, 128], 0),
    ("blk.0.ffn_down.weight", [128, 64], 8),
];

fn tensors(raw: Raw) -> Raw {
    let mut offset = 0;
    let mut raw = raw;
    for (name, shape, kind) in TENSORS {
        raw = raw.tensor(name, &shape, kind, offset);
        let elements = shape[0] * shape[1];
        let bytes: u64 = if kind == 8 {
            elements / 32 * 34
        } else {
            elements * 4
        };
        offset += bytes.next_multiple_of(32);
    }
    raw.pad(32).zeros(offset as usize)
}

#[test]
fn numbers_that_contradict_the_tensors() {
    passes(&block("", 0));
    let rows = [
        ("embedding_length", 0),
        ("embedding_length", 65),
        ("embedding_length", 1 << 31),
        ("feed_forward_length", 0),
        // Less than a block of q8_0.
        ("feed_forward_length", 31),
        ("feed_forward_length", 1 << 31),
        ("attention.head_count_kv", 0),
        ("attention.head_count_kv", 3),
        ("attention.key_length", 0),
        ("attention.key_length", 8),
        ("rope.dimension_count", 0),
        ("rope.dimension_count", 8),
        ("rope.dimension_count", 17),
    ];
    for (name, value) in rows {
        let field = format!("llama.{name}");
        aborts(&field, &block(name, value));
    }
    aborts(
        "llama.attention.head_count",
        &block("attention.head_count", 2),
    );
}

#[test]
fn lists_that_the_engine_refuses_by_itself() {
    for key in [
        "attention.head_count",
        "attention.head_count_kv",
        "feed_forward_length",
    ] {
        let key = format!("llama.{key}");
        let numbers = || {
            Raw::v3(TENSORS.len() as u64, 5)
                .architecture()
                .pair_u32("llama.block_count", 1)
        };
        let numbers = numbers()
            .pair_u32("llama.embedding_length", 64)
            .pair_u32("llama.context_length", 64);
        passes(&tensors(ints(numbers, &key, &[0, 0])));
    }
}

#[test]
fn partial_rotation_where_the_architecture_knows_it() {
    let numbers = |dimensions| {
        let raw = Raw::v3(0, 5)
            .pair_string("general.architecture", "phi2")
            .pair_u32("phi2.block_count", 1);
        let raw = raw
            .pair_u32("phi2.embedding_length", 64)
            .pair_u32("phi2.attention.head_count", 2);
        raw.key("phi2.rope.dimension_count", U32)
            .here()
            .u32(dimensions)
    };
    passes(&numbers(8));
    aborts("phi2.rope.dimension_count", &numbers(9));
    aborts("phi2.rope.dimension_count", &numbers(34));
}

#[test]
fn latent_keys_that_are_all_rotated() {
    let numbers = |rotated| {
        let raw = Raw::v3(0, 3)
            .pair_string("general.architecture", "deepseek2")
            .pair_u32("deepseek2.attention.key_length_mla", 192);
        raw.key("deepseek2.rope.dimension_count", U32)
            .here()
            .u32(rotated)
    };
    passes(&numbers(64));
    aborts("deepseek2.rope.dimension_count", &numbers(192));
}

#[test]
fn windows_that_no_layer_has() {
    let key = "gemma3.attention.sliding_window_pattern";
    let gemma = || Raw::v3(0, 2).pair_string("general.architecture", "gemma3");
    aborts(key, &gemma().key(key, U32).here().u32(1));
    aborts(
        key,
        &gemma().key(key, 9).here().u32(BOOL).u64(2).raw(&[0, 0]),
    );
    passes(&gemma().pair_u32(key, 6));
    passes(&gemma().array(key, BOOL, 2).raw(&[0, 1]));
}

#[test]
fn dimensions_of_nothing() {
    let file = |tensor: &str, key: &str, value| {
        let raw = Raw::v3(1, 4)
            .architecture()
            .pair_u32("llama.block_count", 2)
            .pair_u32("llama.embedding_length", 4);
        raw.key(key, U32)
            .here()
            .u32(value)
            .tensor(tensor, &[4, 4], 0, 0)
            .pad(32)
            .zeros(64)
    };
    for (tensor, key) in [
        ("blk.1.ssm_conv1d.weight", "llama.ssm.conv_kernel"),
        ("blk.1.ssm_conv1d.weight", "llama.ssm.state_size"),
        ("blk.1.attn_kv_a_mqa.weight", "llama.attention.kv_lora_rank"),
        ("position_embd.weight", "llama.context_length"),
        ("blk.1.ffn_up_exps.weight", "llama.feed_forward_length"),
    ] {
        aborts(key, &file(tensor, key, 0));
        passes(&file(tensor, key, 4));
        passes(&file("other", key, 0));
    }
}

#[test]
fn shared_experts_of_nothing() {
    let file = |feed_forward, count: Option<u32>| {
        let raw = Raw::v3(1, 5)
            .architecture()
            .pair_u32("llama.block_count", 1)
            .pair_u32("llama.embedding_length", 4);
        let raw = raw.key("llama.feed_forward_length", U32);
        let raw = if count.is_none() { raw.here() } else { raw };
        let raw = raw.u32(feed_forward).key("llama.expert_shared_count", U32);
        let raw = if count.is_some() { raw.here() } else { raw };
        raw.u32(count.unwrap_or(1))
            .tensor("blk.0.ffn_up_shexp.weight", &[4, 4], 0, 0)
            .pad(32)
            .zeros(64)
    };
    passes(&file(4, None));
    aborts("llama.feed_forward_length", &file(0, None));
    aborts("llama.expert_shared_count", &file(4, Some(0)));
}

#[test]
fn a_state_space_of_another_width() {
    let numbers = |width| {
        let raw = Raw::v3(0, 4)
            .pair_string("general.architecture", "jamba")
            .pair_u32("jamba.block_count", 1);
        raw.pair_u32("jamba.embedding_length", 64)
            .key("jamba.ssm.inner_size", U32)
            .here()
            .u32(width)
    };
    passes(&numbers(128));
    aborts("jamba.ssm.inner_size", &numbers(64));
}

#[test]
fn other_files_are_left_alone() {
    passes(&Raw::v3(0, 0));
    passes(&Raw::v3(0, 1).key("general.architecture", BOOL).u8(1));
    passes(
        &Raw::v3(0, 2)
            .pair_string("general.architecture", "clip")
            .pair_u32("clip.vision.block_count", 27),
    );
}
