//! The known attacks on GGUF readers, one test each: what the bytes do elsewhere, and the exact
//! code and offset with which they are refused here.

// A failed look-up is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use gguf::{Code, Limits, Policy, parse};

fn table(tensors: u64) -> Raw {
    Raw::v3(tensors, 1).architecture()
}

fn pair() -> Raw {
    Raw::v3(0, 2).architecture()
}

/// The attack as it was, and again with every limit off: then the arithmetic alone must hold.
#[track_caller]
fn refused_even_without_limits(raw: &Raw, code: Code) {
    refused(raw, code);
    let most = u64::MAX;
    let limits = Limits {
        header_bytes_max: most,
        metadata_pairs_max: most,
        tensors_max: most,
        array_elements_max: most,
        string_bytes_max: most,
        chat_template_bytes_max: most,
        key_bytes_max: most,
        alignment_max: most,
        index_bytes_max: most,
    };
    let error = parse(
        &raw.bytes,
        Policy {
            limits,
            ..Policy::default()
        },
    )
    .unwrap_err();
    assert_eq!(error.offset, raw.mark, "{error}");
}

#[test]
fn cve_2024_21825_a_count_of_strings_times_their_size_wraps() {
    for count in [u64::MAX / 16 + 1, (1 << 60) + 1, u64::MAX] {
        let raw = pair()
            .key("a", ARR)
            .u32(STR)
            .here()
            .u64(count)
            .string("x")
            .zeros(64);
        refused_even_without_limits(&raw, Code::LimitExceeded);
    }
}

#[test]
fn cve_2024_23496_a_string_length_plus_one_wraps() {
    refused_even_without_limits(&pair().here().u64(u64::MAX).zeros(64), Code::LimitExceeded);
    refused_even_without_limits(
        &pair().key("a", STR).here().u64(u64::MAX).zeros(64),
        Code::LimitExceeded,
    );
    refused_even_without_limits(
        &table(1).here().u64(u64::MAX).zeros(64),
        Code::BadTensorName,
    );
}

#[test]
fn cve_2024_21802_more_dimensions_than_there_is_room_for() {
    refused_even_without_limits(
        &table(1).string("a").here().u32(5).zeros(64),
        Code::BadShape,
    );
    refused_even_without_limits(
        &table(1).string("a").here().u32(1_000_000).zeros(64),
        Code::BadShape,
    );
}

#[test]
fn cve_2024_21836_and_23605_counts_times_item_sizes_wrap() {
    for count in [
        u64::MAX,
        1 << 63,
        u64::MAX / 88 + 1,
        u64::MAX / 48 + 1,
        u64::MAX / 25 + 1,
        u64::MAX / 14 + 1,
    ] {
        refused_even_without_limits(
            &Raw::new().raw(b"GGUF").u32(3).here().u64(count).u64(0),
            Code::LimitExceeded,
        );
        refused_even_without_limits(
            &Raw::new().raw(b"GGUF").u32(3).u64(0).here().u64(count),
            Code::LimitExceeded,
        );
    }
}

#[test]
fn cve_2024_25664_to_25668_counts_that_nothing_checks() {
    refused(
        &Raw::new()
            .raw(b"GGUF")
            .u32(3)
            .u64(0)
            .here()
            .u64(9999)
            .zeros(100),
        Code::Truncated,
    );
    refused(
        &Raw::new()
            .raw(b"GGUF")
            .u32(3)
            .here()
            .u64(9999)
            .u64(0)
            .zeros(100),
        Code::Truncated,
    );
    refused(
        &pair().key("a", ARR).u32(U32).here().u64(1 << 20).zeros(100),
        Code::Truncated,
    );
    refused(
        &pair().key("a", ARR).u32(STR).here().u64(1 << 20).zeros(100),
        Code::Truncated,
    );
}

#[test]
fn cve_2024_32878_and_41130_an_early_end_leaves_nothing_half_built() {
    let whole = table(1).tensor("a", &[8], 0, 0).pad(32).zeros(32);
    for length in 1..whole.bytes.len() {
        let error = parse(&whole.bytes[..length], Policy::default()).unwrap_err();
        assert_eq!(error.code, Code::Truncated, "{length} bytes: {error}");
    }
}

#[test]
fn cve_2025_49847_a_token_longer_than_an_int() {
    for length in [1 << 31, (1 << 31) + 5, 1 << 32] {
        let raw = pair()
            .array("tokenizer.ggml.tokens", STR, 1)
            .here()
            .u64(length)
            .zeros(64);
        refused_even_without_limits(&raw, Code::LimitExceeded);
    }
}

#[test]
fn cve_2025_53630_the_sum_of_tensor_sizes_wraps() {
    let size = (1 << 63) - 32;
    let raw = table(3)
        .tensor("a", &[size], 24, 0)
        .string("b")
        .u32(1)
        .here()
        .u64(size)
        .u32(24)
        .u64(size);
    refused_even_without_limits(&raw.zeros(256), Code::BadShape);
}

#[test]
fn cve_2026_33298_dimensions_that_wrap_to_a_small_size() {
    let raw = table(1)
        .string("a")
        .u32(2)
        .u64(1 << 20)
        .here()
        .u64((1 << 44) + 1)
        .u32(0)
        .u64(0);
    refused_even_without_limits(&raw.zeros(256), Code::BadShape);
    // A product that is in range, of a tensor that no file can hold.
    let raw = table(1)
        .shape("a", &[1024, (1 << 42) + 1])
        .u32(0)
        .here()
        .u64(0)
        .zeros(256);
    refused_even_without_limits(&raw, Code::Truncated);
}

#[test]
fn cve_2026_27940_the_sum_fits_and_the_overhead_wraps_it() {
    let size = (1 << 63) - 64;
    let raw = table(2)
        .tensor("a", &[size], 24, 0)
        .string("b")
        .u32(1)
        .here()
        .u64(size)
        .u32(24)
        .u64(size);
    refused_even_without_limits(&raw.zeros(256), Code::BadShape);
}

#[test]
fn llama_cpp_24884_an_empty_key_aborts() {
    refused_even_without_limits(
        &pair().here().u64(0).u32(STR).string("x").zeros(8),
        Code::BadKey,
    );
}

#[test]
fn llama_cpp_27203_a_product_that_wraps_to_nothing_skips_the_check() {
    for (kind, first, second) in [
        (0, 1 << 32, 1 << 32),
        (24, i64::MAX as u64, 2),
        (0, 1 << 63, 2),
        (24, 1 << 33, 1 << 31),
    ] {
        let at_first = first >= 1 << 63;
        let raw = table(1).string("a").u32(2);
        let raw = if at_first {
            raw.here().u64(first).u64(second)
        } else {
            raw.u64(first).here().u64(second)
        };
        refused_even_without_limits(&raw.u32(kind).u64(0).zeros(64), Code::BadShape);
    }
}

#[test]
fn llama_cpp_26978_a_padded_size_wraps_to_nothing() {
    let raw = table(2)
        .string("a")
        .u32(1)
        .here()
        .u64((1 << 61) - 1)
        .u32(27)
        .u64(0);
    refused_even_without_limits(&raw.tensor("b", &[8], 0, 0).zeros(256), Code::BadShape);
}

#[test]
fn llama_cpp_duplicate_checks_in_quadratic_time() {
    let keys = (0..10_000).fold(Raw::v3(0, 10_000), |raw, key| {
        raw.key(format!("k{key}"), U8).u8(0)
    });
    parse(&keys.bytes, Policy::default()).unwrap();
    let start = Raw::v3(0, 10_000).key("k0", U8).u8(0);
    let keys = (1..9_999).fold(start, |raw, key| raw.key(format!("k{key}"), U8).u8(0));
    refused(&keys.here().key("k0", U8).u8(0), Code::DuplicateKey);
}

#[test]
fn a_name_that_c_would_cut_off() {
    let raw = Raw::v3(0, 2)
        .pair_string("general.name", "good")
        .u64(14)
        .raw(b"general.name")
        .here();
    refused_even_without_limits(&raw.raw(b"\0x").u32(STR).string("evil"), Code::BadKey);
    let raw = table(2)
        .tensor("a", &[8], 0, 0)
        .u64(4)
        .raw(b"a")
        .here()
        .raw(b"\0zz")
        .zeros(256);
    refused_even_without_limits(&raw, Code::BadTensorName);
}

#[test]
fn gguf_py_a_tiny_file_with_an_endless_array_hangs() {
    let raw = Raw::v3(0, 1)
        .string("ab")
        .u32(ARR)
        .u32(U8)
        .here()
        .u64(1 << 63)
        .zeros(1);
    refused_even_without_limits(&raw, Code::LimitExceeded);
}

#[test]
fn gguf_py_nested_arrays_recurse_without_end() {
    let raw = pair().key("a", ARR).here();
    let nested = (0..100_000).fold(raw, |raw, _| raw.u32(ARR).u64(1));
    refused_even_without_limits(&nested.u32(U8).u64(0), Code::BadArray);
}

#[test]
fn ollama_cve_2024_39720_the_magic_and_nothing_else() {
    let raw = Raw {
        bytes: b"GGUF".to_vec(),
        mark: Some(4),
    };
    refused_even_without_limits(&raw, Code::Truncated);
}

#[test]
fn ollama_cve_2025_66960_version_1_with_an_empty_string() {
    let raw = Raw::new().raw(b"GGUF").here().u32(1).u32(0).u32(1).zeros(8);
    refused_even_without_limits(&raw, Code::UnsupportedVersion);
}

#[test]
fn ollama_17032_a_length_that_is_negative_elsewhere() {
    for length in [1 << 63, (1 << 63) + 1, u64::MAX - 1] {
        refused_even_without_limits(
            &Raw::v3(0, 1).here().u64(length).zeros(17),
            Code::LimitExceeded,
        );
    }
}

#[test]
fn ollama_cve_2025_0317_a_zero_that_is_divided_by() {
    refused_even_without_limits(
        &pair().key("general.alignment", U32).here().u32(0),
        Code::BadAlignment,
    );
    refused_even_without_limits(
        &table(1).shape("a", &[256]).here().u32(4).zeros(64),
        Code::BadTensorType,
    );
}

#[test]
fn ollama_cve_2026_7482_a_tensor_larger_than_its_file() {
    let raw = table(1)
        .shape("a", &[1 << 20])
        .u32(0)
        .here()
        .u64(0)
        .pad(32)
        .zeros(32);
    refused_even_without_limits(&raw, Code::Truncated);
    let raw = table(1)
        .shape("a", &[8])
        .u32(0)
        .here()
        .u64(1 << 40)
        .pad(32)
        .zeros(32);
    refused_even_without_limits(&raw, Code::BadTensorOffset);
}

#[test]
fn mlx_cve_2025_62609_an_offset_beyond_the_file() {
    let raw = table(1)
        .shape("a", &[8])
        .u32(0)
        .here()
        .u64(1 << 40)
        .pad(32)
        .zeros(32);
    refused_even_without_limits(&raw, Code::BadTensorOffset);
}

#[test]
fn huggingface_js_2020_a_hundred_bytes_that_fill_the_memory() {
    let raw = Raw::v3(0, 1)
        .key("tokenizer.ggml.tokens", ARR)
        .u32(STR)
        .here()
        .u64(1 << 40)
        .zeros(40);
    refused_even_without_limits(&raw, Code::LimitExceeded);
}

#[test]
fn readers_in_javascript_put_this_key_on_the_prototype() {
    let header = accepted(&pair().pair_string("__proto__", "x"));
    assert_eq!(
        header.get(b"__proto__").and_then(|value| value.as_str()),
        Some("x")
    );
}

#[test]
fn readers_in_javascript_accept_half_a_vocabulary() {
    let whole = (0..1000).fold(
        pair().array("tokenizer.ggml.tokens", STR, 1000),
        |raw, token| raw.string(format!("{token}")),
    );
    let half = whole.bytes.len() / 2;
    assert_eq!(
        parse(&whole.bytes[..half], Policy::default())
            .unwrap_err()
            .code,
        Code::Truncated
    );
}
