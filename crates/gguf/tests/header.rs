//! What an accepted header gives back.

// A failed look-up is a failed test, and the files here are small.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::large_stack_arrays
)]

mod common;

use common::*;
use gguf::{Header, Policy, TensorType, Value, ValueType, parse};

/// ggml's table as its library prints it: id, name, values a block, bytes a block.
const TYPES: &[(u32, &str, u64, u64)] = &[
    (0, "f32", 1, 4),
    (1, "f16", 1, 2),
    (2, "q4_0", 32, 18),
    (3, "q4_1", 32, 20),
    (6, "q5_0", 32, 22),
    (7, "q5_1", 32, 24),
    (8, "q8_0", 32, 34),
    (9, "q8_1", 32, 36),
    (10, "q2_K", 256, 84),
    (11, "q3_K", 256, 110),
    (12, "q4_K", 256, 144),
    (13, "q5_K", 256, 176),
    (14, "q6_K", 256, 210),
    (15, "q8_K", 256, 292),
    (16, "iq2_xxs", 256, 66),
    (17, "iq2_xs", 256, 74),
    (18, "iq3_xxs", 256, 98),
    (19, "iq1_s", 256, 50),
    (20, "iq4_nl", 32, 18),
    (21, "iq3_s", 256, 110),
    (22, "iq2_s", 256, 82),
    (23, "iq4_xs", 256, 136),
    (24, "i8", 1, 1),
    (25, "i16", 1, 2),
    (26, "i32", 1, 4),
    (27, "i64", 1, 8),
    (28, "f64", 1, 8),
    (29, "iq1_m", 256, 56),
    (30, "bf16", 1, 2),
    (34, "tq1_0", 256, 54),
    (35, "tq2_0", 256, 66),
    (39, "mxfp4", 32, 17),
    (40, "nvfp4", 64, 36),
    (41, "q1_0", 128, 18),
    (42, "q2_0", 64, 18),
];

#[test]
fn every_tensor_type_has_ggmls_name_and_size() {
    for &(id, name, block_size, block_bytes) in TYPES {
        let kind = TensorType::from_id(id).unwrap();
        assert_eq!((kind.id(), kind.as_str()), (id, name));
        assert_eq!(
            (kind.block_size(), kind.block_bytes()),
            (block_size, block_bytes),
            "{name}"
        );
        let header = Raw::v3(1, 2)
            .architecture()
            .pair_u32("general.quantization_version", 2);
        let bytes = block_bytes * 3 * 5;
        let raw = header
            .tensor("t", &[block_size * 3, 5], id, 0)
            .pad(32)
            .zeros(bytes as usize)
            .pad(32);
        assert_eq!(accepted(&raw).tensor(0).unwrap().bytes, bytes, "{name}");
    }
    assert_eq!(
        (0..500)
            .filter(|&id| TensorType::from_id(id).is_some())
            .count(),
        TYPES.len()
    );
}

fn all_values() -> Header {
    let raw = Raw::v3(0, 13).architecture();
    let raw = raw
        .key("u8", U8)
        .u8(200)
        .key("i8", I8)
        .u8(200)
        .key("u16", U16)
        .u16(60_000)
        .key("i16", I16)
        .u16(60_000);
    let raw = raw
        .key("u32", U32)
        .u32(u32::MAX)
        .key("i32", I32)
        .u32(u32::MAX)
        .key("f32", F32)
        .u32(0x3fc0_0000);
    let raw = raw
        .key("bool", BOOL)
        .u8(1)
        .key("str", STR)
        .string("ä")
        .key("u64", U64)
        .u64(u64::MAX);
    accepted(
        &raw.key("i64", I64)
            .u64(u64::MAX)
            .key("f64", F64)
            .u64(0xbff8_0000_0000_0000),
    )
}

#[test]
fn every_type_of_value_is_decoded() {
    let header = all_values();
    let expected = [
        ("u8", Value::U8(200)),
        ("i8", Value::I8(-56)),
        ("u16", Value::U16(60_000)),
        ("i16", Value::I16(-5536)),
        ("u32", Value::U32(u32::MAX)),
        ("i32", Value::I32(-1)),
        ("f32", Value::F32(1.5)),
        ("bool", Value::Bool(true)),
        ("str", Value::String("ä".as_bytes())),
        ("u64", Value::U64(u64::MAX)),
        ("i64", Value::I64(-1)),
        ("f64", Value::F64(-1.5)),
    ];
    for (key, value) in expected {
        assert_eq!(header.get(key.as_bytes()), Some(value));
        assert_eq!(value.value_type().as_str(), key);
        assert_eq!(
            ValueType::from_id(value.value_type().id()),
            Some(value.value_type())
        );
    }
    assert_eq!(header.pairs().count(), 13);
    assert_eq!(header.get(b"u8\0"), None);
}

#[test]
fn pairs_know_where_they_stand() {
    let raw = Raw::v3(0, 2).architecture();
    let start = raw.bytes.len() as u64;
    let header = accepted(&raw.array("some.key", I16, 2).u16(1).u16(2));
    let pair = header.pair(1).unwrap();
    assert_eq!(
        (pair.offset, pair.type_offset(), pair.value_offset()),
        (start, start + 16, start + 20)
    );
    assert_eq!(pair.value.as_array().unwrap().offset, start + 32);
    assert_eq!(header.pair(2), None);
}

#[test]
fn arrays_are_ranges_that_decode_on_demand() {
    let raw = Raw::v3(0, 5)
        .architecture()
        .array("strings", STR, 3)
        .string("")
        .string("ab")
        .string("c");
    let raw = raw
        .array("numbers", I16, 3)
        .u16(1)
        .u16(0xffff)
        .u16(3)
        .array("none", F64, 0)
        .array("no_strings", STR, 0);
    let header = accepted(&raw);
    let array = |key: &str| {
        header
            .get(key.as_bytes())
            .and_then(|value| value.as_array())
            .unwrap()
    };

    let strings: Vec<_> = array("strings").strings().collect();
    assert_eq!(strings, [b"".as_slice(), b"ab", b"c"]);
    assert_eq!(array("strings").get(1), Some(Value::String(b"ab")));
    assert_eq!(array("strings").get(3), None);
    assert_eq!(array("strings").bytes.len(), 3 * 8 + 3);

    assert_eq!(
        (array("numbers").element, array("numbers").len),
        (ValueType::I16, 3)
    );
    assert_eq!(
        array("numbers").values().collect::<Vec<_>>(),
        [Value::I16(1), Value::I16(-1), Value::I16(3)]
    );
    assert_eq!(array("numbers").get(2), Some(Value::I16(3)));
    assert_eq!(array("numbers").get(3), None);
    assert_eq!(array("numbers").strings().count(), 0);
    assert!(array("none").is_empty() && array("none").values().next().is_none());
    assert!(array("no_strings").strings().next().is_none());
}

#[test]
fn tensors_know_where_they_stand() {
    let raw = Raw::v3(4, 2).architecture().alignment(64);
    let raw = raw
        .tensor("a", &[3, 2], 0, 0)
        .tensor("empty", &[7, 0], 0, 64)
        .tensor("b", &[], 0, 64);
    let raw = raw.tensor("c", &[1, 2, 3, 4], 24, 128).pad(64);
    let data = raw.bytes.len() as u64;
    let header = accepted(&raw.zeros(192));
    assert_eq!((header.data_offset(), header.tensor_count()), (data, 4));
    let row = |name: &str| {
        header
            .tensor_named(name.as_bytes())
            .map(|tensor| (tensor.offset - data, tensor.bytes))
    };
    assert_eq!(row("a"), Some((0, 24)));
    assert_eq!(row("empty"), Some((64, 0)));
    assert_eq!(row("b"), Some((64, 4)));
    assert_eq!(row("c"), Some((128, 24)));
    assert_eq!(row("d"), None);
    assert_eq!(*header.tensor(0).unwrap().shape, [3, 2]);
    assert_eq!(*header.tensor(2).unwrap().shape, [] as [u64; 0]);
    assert_eq!(*header.tensor(3).unwrap().shape, [1, 2, 3, 4]);
    assert_eq!(header.tensors().count(), 4);
    assert_eq!(header.tensor(4), None);
}

#[test]
fn version_2_is_read_like_version_3() {
    let mut raw = Raw::v3(0, 1).architecture();
    raw.bytes[4] = 2;
    assert_eq!(accepted(&raw).version(), 2);
}

#[test]
fn an_alignment_counts_wherever_it_stands() {
    let tail = |raw: Raw| {
        raw.tensor("a", &[1], 24, 0)
            .tensor("b", &[1], 24, 8)
            .pad(8)
            .raw(b"a\0\0\0\0\0\0\0b\0\0\0\0\0\0\0")
    };
    accepted(&tail(Raw::v3(2, 2).architecture().alignment(8)));
    accepted(&tail(Raw::v3(2, 2).alignment(8).architecture()));
}

#[test]
fn alignment_of_one_leaves_no_padding() {
    let raw = Raw::v3(2, 2)
        .architecture()
        .alignment(1)
        .tensor("a", &[3], 24, 0)
        .tensor("b", &[1], 24, 3);
    let header = parse(&raw.clone().raw(b"abcd").bytes, Policy::default()).unwrap();
    assert_eq!(header.data_offset(), raw.bytes.len() as u64);
    assert_eq!(
        header
            .findings()
            .iter()
            .map(|found| found.rule)
            .collect::<Vec<_>>(),
        [19]
    );
}

#[test]
fn a_large_alignment_is_kept() {
    let raw = Raw::v3(1, 2)
        .architecture()
        .alignment(65_536)
        .tensor("a", &[1], 24, 0)
        .pad(65_536);
    assert_eq!(accepted(&raw.clone().zeros(65_536)).data_offset(), 65_536);
    let header = parse(&raw.u8(1).bytes, Policy::default()).unwrap();
    assert_eq!(header.findings()[0].rule, 36);
}

#[test]
fn without_tensors_the_data_start_where_the_header_ends() {
    let raw = Raw::v3(0, 1).architecture();
    let header = accepted(&raw);
    assert_eq!(
        (header.header_bytes(), header.data_offset()),
        (raw.bytes.len() as u64, raw.bytes.len() as u64)
    );
    assert_eq!(
        (header.alignment(), header.file_size()),
        (32, raw.bytes.len() as u64)
    );
}

#[test]
fn a_scanner_ignores_bytes_beyond_the_files_size() {
    let raw = Raw::v3(0, 1).architecture();
    let mut scanner = gguf::Scanner::new(raw.bytes.len() as u64, strict());
    scanner.feed(&raw.clone().raw(b"more").bytes);
    scanner.feed(b"and more");
    assert_eq!(
        scanner.finish().unwrap().header_bytes(),
        raw.bytes.len() as u64
    );
}

#[test]
fn a_scanner_that_was_fed_too_little_says_so() {
    let raw = Raw::v3(0, 1).architecture();
    let size = raw.bytes.len() as u64;
    for fed in [0, 2, 10, raw.bytes.len() - 1] {
        let mut scanner = gguf::Scanner::new(size, strict());
        scanner.feed(&raw.bytes[..fed]);
        assert!(!scanner.header_settled());
        let error = scanner.finish().unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.offset),
            ("GGUF_TRUNCATED", Some(fed as u64))
        );
    }
    let mut other = gguf::Scanner::new(1000, strict());
    other.feed(b"PK\x03\x04");
    assert_eq!(other.finish().unwrap_err().code.as_str(), "GGUF_NOT_GGUF");
}

#[test]
fn findings_are_kept_up_to_a_bound_and_counted_beyond() {
    let raw = (0..1000).fold(Raw::v3(0, 1001).architecture(), |raw, index| {
        raw.pair_u32(format!("BAD.{index}"), 1)
    });
    let header = parse(&raw.bytes, Policy::default()).unwrap();
    assert_eq!(
        (header.findings().len(), header.findings_count()),
        (64, 1000)
    );
}

#[test]
fn findings_stand_in_file_order_and_strict_names_the_first() {
    let raw = Raw::v3(2, 1)
        .here()
        .pair_u32("Bad", 1)
        .tensor("a", &[1], 24, 0)
        .tensor("b", &[1], 24, 32)
        .pad(32);
    let raw = raw.raw(&[1; 64]).raw(b"tail");
    let header = parse(&raw.bytes, Policy::default()).unwrap();
    let rules: Vec<_> = header.findings().iter().map(|found| found.rule).collect();
    assert_eq!(rules, [10, 34, 34, 37, 38]);
    assert_eq!(parse(&raw.bytes, strict()).unwrap_err().offset, raw.mark);
}

#[test]
fn a_structural_violation_outweighs_any_finding() {
    let raw = Raw::v3(0, 2)
        .pair_u32("Bad", 1)
        .string("a")
        .here()
        .u32(99)
        .zeros(8);
    refused_by(strict(), &raw, gguf::Code::BadValueType);
}

#[test]
fn a_header_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(value: T) -> T {
        value
    }
    let header = std::sync::Arc::new(shared(all_values()));
    let other = header.clone();
    std::thread::spawn(move || assert_eq!(other.architecture(), Some("llama")))
        .join()
        .unwrap();
}

#[test]
fn hostile_keys_are_escaped_in_refusals() {
    let key = "\u{202e}\"'<script>";
    let raw = Raw::v3(0, 2).pair_u32(key, 1).here().pair_u32(key, 2);
    let error = refused(&raw, gguf::Code::DuplicateKey);
    assert_eq!(error.field.as_deref(), Some("\\u{202e}\"'<script>"));
    let long = Raw::v3(0, 2)
        .pair_u32("k".repeat(50_000), 1)
        .here()
        .pair_u32("k".repeat(50_000), 2);
    assert_eq!(
        refused(&long, gguf::Code::DuplicateKey)
            .field
            .unwrap()
            .len(),
        128
    );
}
