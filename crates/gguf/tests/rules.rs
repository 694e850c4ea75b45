//! One row a rule: the input, then the exact code and offset. Refusals first, then successes.

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
use gguf::{Code, Limits, Policy, Scanner, Value, parse};

/// A header that is complete but for the table: architecture, then that many tensors.
fn table(tensors: u64) -> Raw {
    Raw::v3(tensors, 1).architecture()
}

/// A pair to come, behind the architecture.
fn pair() -> Raw {
    Raw::v3(0, 2).architecture()
}

fn limits(change: impl FnOnce(&mut Limits)) -> Policy {
    let mut limits = Limits::default();
    change(&mut limits);
    Policy {
        limits,
        ..Policy::default()
    }
}

#[test]
fn rule_1_other_files_are_named_for_what_they_are() {
    let long = [
        b"\x10\0\0\0\0\0\0\0{\"__metadata__\"".as_slice(),
        &[b' '; 600],
    ]
    .concat();
    let torch = b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0archive/data.pkl";
    let rows: &[(&[u8], &str)] = &[
        (b"", "empty"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            "git-LFS pointer",
        ),
        (b"\n<!DOCTYPE html><html>", "HTML page"),
        (b"\xef\xbb\xbf<HTML>", "HTML page"),
        (b"<?xml version=\"1.0\"?><Error>", "XML"),
        (b"{\"error\":\"not found\"}", "JSON"),
        (b"PK\x03\x04\x14\0\0\0", "zip archive"),
        (torch, "PyTorch"),
        (&long, "safetensors"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "pickle"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"lmgg\0\0\0\0", "GGML"),
        (b"tjgg\x03\0\0\0", "GGJT"),
        (b"\x89PNG\r\n", "PNG"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (&[0; 64], "zero bytes"),
        (b"hello", "plain text"),
        (b"GFU", "plain text"),
        (b"GGU!", "plain text"),
        (b"gguf\x03\0\0\0", "67 67 75 66"),
        (b"\x01\x02\xfe", "01 02 fe"),
    ];
    for (file, what) in rows {
        let raw = Raw::new().here().raw(file);
        let error = refused(&raw, Code::NotGguf);
        assert!(error.message.contains(what), "{what}: {error}");
    }
}

#[test]
fn rule_1_the_answer_does_not_depend_on_how_much_has_arrived() {
    let mut file = vec![b'\r'; 600];
    file.extend([0xff; 8]);
    let mut scanner = Scanner::new(file.len() as u64, Policy::default());
    for block in file.chunks(7) {
        scanner.feed(block);
    }
    let whole = parse(&file, Policy::default()).unwrap_err();
    assert_eq!(whole, scanner.finish().unwrap_err());
}

#[test]
fn rule_1_a_part_of_the_magic_is_a_truncated_file() {
    for magic in [b"G".as_slice(), b"GG", b"GGU"] {
        refused(&Raw::new().here().raw(magic), Code::Truncated);
    }
}

#[test]
fn rule_2_versions() {
    for version in [0, 1, 4, 5, 0x1234_5678, u32::MAX] {
        refused(
            &Raw::new().raw(b"GGUF").here().u32(version).zeros(16),
            Code::UnsupportedVersion,
        );
    }
    // Judged as soon as it is there, before anything else is missed.
    refused(
        &Raw::new().raw(b"GGUF").here().u32(1),
        Code::UnsupportedVersion,
    );
}

#[test]
fn rule_3_big_endian() {
    for version in [1_u32, 2, 3] {
        refused(
            &Raw::new()
                .raw(b"GGUF")
                .here()
                .u32(version.swap_bytes())
                .zeros(16),
            Code::BigEndian,
        );
    }
    refused(
        &Raw::new().here().raw(b"FUGG\0\0\0\x03").zeros(16),
        Code::BigEndian,
    );
}

#[test]
fn rule_4_counts_over_the_limits() {
    for count in [100_001, 1 << 31, i64::MAX as u64, 1 << 63, u64::MAX] {
        refused(
            &Raw::new().raw(b"GGUF").u32(3).here().u64(count).u64(0),
            Code::LimitExceeded,
        );
    }
    for count in [10_001, 1 << 31, i64::MAX as u64, 1 << 63, u64::MAX] {
        refused(
            &Raw::new()
                .raw(b"GGUF")
                .u32(3)
                .u64(0)
                .here()
                .u64(count)
                .zeros(8),
            Code::LimitExceeded,
        );
    }
}

#[test]
fn rule_4_counts_over_the_files_size() {
    refused(
        &Raw::new()
            .raw(b"GGUF")
            .u32(3)
            .here()
            .u64(1)
            .u64(0)
            .zeros(24),
        Code::Truncated,
    );
    refused(
        &Raw::new()
            .raw(b"GGUF")
            .u32(3)
            .u64(0)
            .here()
            .u64(1)
            .zeros(13),
        Code::Truncated,
    );
    // Each would fit, but not both.
    refused(
        &Raw::new()
            .raw(b"GGUF")
            .u32(3)
            .u64(1)
            .here()
            .u64(1)
            .zeros(38),
        Code::Truncated,
    );
    let error = refused(
        &Raw::new()
            .raw(b"GGUF")
            .u32(3)
            .u64(0)
            .here()
            .u64(10_000)
            .zeros(8),
        Code::Truncated,
    );
    assert!(error.message.contains("140000 bytes"), "{error}");
}

#[test]
fn rule_4_with_all_limits_off_no_count_wraps() {
    let policy = limits(|limits| {
        limits.tensors_max = u64::MAX;
        limits.metadata_pairs_max = u64::MAX;
        limits.index_bytes_max = u64::MAX;
    });
    // 25 and 14 times these wrap to less than the file has.
    for count in [u64::MAX, u64::MAX / 25 + 1, 1 << 63, u64::MAX / 14 + 1] {
        refused_by(
            policy,
            &Raw::new().raw(b"GGUF").u32(3).here().u64(count).zeros(64),
            Code::Truncated,
        );
        refused_by(
            policy,
            &Raw::new()
                .raw(b"GGUF")
                .u32(3)
                .u64(0)
                .here()
                .u64(count)
                .zeros(64),
            Code::Truncated,
        );
    }
}

#[test]
fn rule_5_the_preamble_cut_off() {
    let whole = Raw::v3(0, 0);
    accepted_but_for_architecture(&whole);
    for (length, at) in [(4, 4), (7, 4), (8, 8), (15, 8), (16, 16), (23, 16)] {
        let cut = Raw {
            bytes: whole.bytes[..length].to_vec(),
            mark: Some(at),
        };
        refused(&cut, Code::Truncated);
    }
}

fn accepted_but_for_architecture(raw: &Raw) {
    let header = found(raw, 38);
    assert_eq!(header.findings()[0].offset, None);
}

#[test]
fn rule_5_every_value_cut_off() {
    // The next four bytes are too few for the value of that many bytes.
    for kind in [U64, I64, F64] {
        refused(&pair().key("a", kind).here().zeros(4), Code::Truncated);
    }
    for kind in [U32, I32, F32] {
        refused(
            &pair().key("key.name", kind).here().zeros(3),
            Code::Truncated,
        );
    }
    refused(
        &pair().string("key.name_").here().raw(&[4, 0, 0]),
        Code::Truncated,
    );
}

#[test]
fn rule_6_strings() {
    refused(&pair().here().u64(100).zeros(13), Code::Truncated);
    refused(
        &pair().key("a", STR).here().u64(9).zeros(8),
        Code::Truncated,
    );
    refused(
        &pair().key("a", STR).here().u64(1 << 20).zeros(8),
        Code::Truncated,
    );
    refused(
        &pair().key("a", STR).here().u64((1 << 20) + 1).zeros(8),
        Code::LimitExceeded,
    );
    refused(
        &pair().key("a", STR).here().u64(u64::MAX).zeros(8),
        Code::LimitExceeded,
    );
    refused(&pair().here().u64(u64::MAX).zeros(8), Code::LimitExceeded);
    refused(
        &pair().here().u64((128 << 10) + 1).zeros(8),
        Code::LimitExceeded,
    );
}

#[test]
fn rule_6_a_whole_string_over_the_limit() {
    let policy = limits(|limits| limits.string_bytes_max = 4);
    let alone = Raw::v3(0, 1).key("a", STR).here().string("12345");
    refused_by(policy, &alone, Code::LimitExceeded);
    let array = Raw::v3(0, 1)
        .array("a", STR, 3)
        .string("1234")
        .here()
        .string("12345")
        .string("");
    refused_by(policy, &array, Code::LimitExceeded);
    let key = limits(|limits| limits.key_bytes_max = 4);
    refused_by(
        key,
        &Raw::v3(0, 1).here().pair_u32("abcde", 1),
        Code::LimitExceeded,
    );
}

#[test]
fn rule_6_with_the_limit_off_no_length_wraps() {
    let policy = limits(|limits| {
        limits.string_bytes_max = u64::MAX;
        limits.key_bytes_max = u64::MAX;
        limits.array_elements_max = u64::MAX;
    });
    for length in [u64::MAX, u64::MAX - 60, 1 << 63, i64::MAX as u64, 1 << 32] {
        refused_by(
            policy,
            &pair().key("a", STR).here().u64(length).zeros(8),
            Code::Truncated,
        );
        refused_by(policy, &pair().here().u64(length).zeros(8), Code::Truncated);
        let array = pair()
            .array("a", STR, 2)
            .string("x")
            .here()
            .u64(length)
            .zeros(8);
        refused_by(policy, &array, Code::Truncated);
    }
}

#[test]
fn rule_7_arrays() {
    for element in [U8, U16, U32, BOOL, STR, U64] {
        refused(
            &pair()
                .key("a", ARR)
                .u32(element)
                .here()
                .u64(u64::MAX)
                .zeros(64),
            Code::LimitExceeded,
        );
        refused(
            &pair()
                .key("a", ARR)
                .u32(element)
                .here()
                .u64((4 << 20) + 1)
                .zeros(64),
            Code::LimitExceeded,
        );
        refused(
            &pair().key("a", ARR).u32(element).here().u64(65).zeros(64),
            Code::Truncated,
        );
    }
    refused(
        &pair().key("a", ARR).u32(STR).here().u64(9).zeros(64),
        Code::Truncated,
    );
    refused(
        &pair().array("a", STR, 2).string("x").here().u64(9).zeros(8),
        Code::Truncated,
    );
    refused(
        &pair().array("a", STR, 2).string("12345678").here().zeros(7),
        Code::Truncated,
    );
    refused(
        &pair().array("a", STR, 1).here().u64((1 << 20) + 1).zeros(8),
        Code::LimitExceeded,
    );
}

#[test]
fn rule_7_with_the_limit_off_no_array_wraps() {
    let policy = limits(|limits| limits.array_elements_max = u64::MAX);
    for count in [1 << 61, (1 << 61) + 1, 1 << 62, 1 << 63, u64::MAX] {
        for element in [U64, STR] {
            refused_by(
                policy,
                &pair()
                    .key("a", ARR)
                    .u32(element)
                    .here()
                    .u64(count)
                    .zeros(64),
                Code::Truncated,
            );
        }
    }
}

#[test]
fn rule_8_header_and_index_budgets() {
    let header = limits(|limits| limits.header_bytes_max = 100);
    refused_by(
        header,
        &pair().key("a", STR).here().u64(50).zeros(50),
        Code::LimitExceeded,
    );
    refused_by(
        header,
        &pair().key("a", ARR).u32(U8).here().u64(50).zeros(50),
        Code::LimitExceeded,
    );
    refused_by(
        header,
        &pair().key("a", ARR).u32(STR).here().u64(9).zeros(72),
        Code::LimitExceeded,
    );
    let index = limits(|limits| limits.index_bytes_max = 95);
    refused_by(
        index,
        &Raw::new()
            .raw(b"GGUF")
            .u32(3)
            .u64(0)
            .here()
            .u64(2)
            .zeros(64),
        Code::LimitExceeded,
    );
    for bytes in [0, 3, 10] {
        let tiny = limits(|limits| limits.header_bytes_max = bytes);
        let error = parse(&table(0).bytes, tiny).unwrap_err();
        assert_eq!(error.code, Code::LimitExceeded, "{error}");
    }
}

#[test]
fn a_header_of_exactly_the_limit_is_accepted() {
    let file = table(0);
    let exact = file.bytes.len() as u64;
    parse(
        &file.bytes,
        limits(|limits| limits.header_bytes_max = exact),
    )
    .unwrap();
    let error = parse(
        &file.bytes,
        limits(|limits| limits.header_bytes_max = exact - 1),
    )
    .unwrap_err();
    assert_eq!(
        (error.code, error.message.contains("limits.headerBytes")),
        (Code::LimitExceeded, true)
    );
}

#[test]
fn rule_9_and_11_keys() {
    refused(&pair().here().u64(0).u32(U32).u32(0), Code::BadKey);
    for byte in [0, 1, b'\n', 0x1f, 0x7f] {
        let raw = pair()
            .u64(14)
            .raw(b"general.name")
            .here()
            .u8(byte)
            .raw(b"x");
        refused(&raw.u32(U32).u32(0), Code::BadKey);
    }
}

#[test]
fn rule_12_duplicate_keys() {
    let raw = Raw::v3(0, 3)
        .pair_u32("a", 1)
        .pair_u32("b", 1)
        .here()
        .pair_string("a", "x");
    let error = refused(&raw, Code::DuplicateKey);
    assert_eq!(error.field.as_deref(), Some("a"));
    assert!(error.message.contains("byte 24"), "{error}");
    // C strings would be equal, but this is refused for its NUL.
    refused(
        &Raw::v3(0, 2)
            .pair_u32("a", 1)
            .u64(2)
            .raw(b"a")
            .here()
            .u8(0)
            .u32(U8)
            .zeros(9),
        Code::BadKey,
    );
}

#[test]
fn rule_12_and_22_the_first_violation_in_the_file_wins() {
    let twice = Raw::v3(0, 6)
        .pair_u32("b", 1)
        .pair_u32("a", 1)
        .here()
        .pair_u32("a", 2);
    let error = refused(
        &twice.clone().pair_u32("b", 2).zeros(40),
        Code::DuplicateKey,
    );
    assert_eq!(error.field.as_deref(), Some("a"));
    refused(&twice.string("c").u32(99).zeros(40), Code::DuplicateKey);
    let twice = table(4)
        .tensor("a", &[0], 0, 0)
        .here()
        .tensor("a", &[0], 0, 0);
    refused(
        &twice.clone().tensor("a", &[0], 0, 0).zeros(60),
        Code::DuplicateTensor,
    );
    refused(
        &twice.shape("b", &[1]).u32(99).zeros(60),
        Code::DuplicateTensor,
    );
    // A repeated name comes before the rest of its own row.
    let row = table(2)
        .tensor("a", &[0], 0, 0)
        .here()
        .string("a")
        .u32(99)
        .zeros(60);
    refused(&row, Code::DuplicateTensor);
}

#[test]
fn rule_13_value_types() {
    for kind in [13, 14, 255, 1 << 31, u32::MAX] {
        refused(
            &pair().string("a").here().u32(kind).zeros(16),
            Code::BadValueType,
        );
    }
}

#[test]
fn rule_14_array_types() {
    for element in [ARR, 13, 1 << 31, u32::MAX] {
        refused(
            &pair().key("a", ARR).here().u32(element).u64(0),
            Code::BadArray,
        );
    }
}

#[test]
fn rule_17_the_alignments_type() {
    for kind in [U8, U16, I32, F32, BOOL, STR, ARR, U64, I64] {
        refused(
            &pair()
                .string("general.alignment")
                .here()
                .u32(kind)
                .zeros(16),
            Code::BadAlignment,
        );
    }
}

#[test]
fn rule_18_the_alignments_value() {
    for alignment in [0, 3, 24, 33, (1 << 31) + 1, u32::MAX] {
        refused(
            &pair().key("general.alignment", U32).here().u32(alignment),
            Code::BadAlignment,
        );
    }
    for alignment in [1 << 21, 1 << 31] {
        refused(
            &pair().key("general.alignment", U32).here().u32(alignment),
            Code::LimitExceeded,
        );
    }
    let twice = Raw::v3(0, 2).alignment(32).here().alignment(64);
    refused(&twice, Code::DuplicateKey);
}

#[test]
fn rule_20_and_21_tensor_names() {
    for length in [0, 64, 65, u64::MAX] {
        refused(&table(1).here().u64(length).zeros(128), Code::BadTensorName);
    }
    refused(
        &table(1).u64(4).raw(b"a").here().raw(b"\0zz").zeros(64),
        Code::BadTensorName,
    );
    refused(
        &table(1).u64(4).raw(b"ab").here().raw(b"\xffz").zeros(64),
        Code::BadTensorName,
    );
    refused(&table(1).here().u64(40).zeros(17), Code::Truncated);
}

#[test]
fn rule_22_duplicate_tensors() {
    let raw = table(2)
        .tensor("a", &[8], 0, 0)
        .here()
        .tensor("a", &[8], 0, 32)
        .pad(32)
        .zeros(64);
    assert_eq!(
        refused(&raw, Code::DuplicateTensor).field.as_deref(),
        Some("a")
    );
}

#[test]
fn rule_23_dimension_counts() {
    for count in [5, 6, 1_000_000, 1 << 31, u32::MAX] {
        refused(
            &table(1).string("a").here().u32(count).zeros(64),
            Code::BadShape,
        );
    }
}

#[test]
fn rule_24_and_25_dimensions() {
    for dimension in [1 << 63, u64::MAX] {
        refused(
            &table(1).string("a").u32(1).here().u64(dimension).zeros(64),
            Code::BadShape,
        );
        refused(
            &table(1)
                .string("a")
                .u32(2)
                .u64(0)
                .here()
                .u64(dimension)
                .zeros(64),
            Code::BadShape,
        );
    }
    let products: &[[u64; 2]] = &[
        [1 << 32, 1 << 32],
        [i64::MAX as u64, 2],
        [1 << 31, 1 << 32],
        [(1 << 42) + 1, 1 << 42],
    ];
    for &[first, second] in products {
        refused(
            &table(1)
                .string("a")
                .u32(2)
                .u64(first)
                .here()
                .u64(second)
                .zeros(64),
            Code::BadShape,
        );
    }
    // The product is zero, but what is multiplied before the zero comes wraps.
    refused(
        &table(1)
            .string("a")
            .u32(3)
            .u64(1 << 62)
            .here()
            .u64(2)
            .u64(0)
            .zeros(64),
        Code::BadShape,
    );
    refused(
        &table(1)
            .string("a")
            .u32(4)
            .u64(1 << 20)
            .u64(1 << 20)
            .u64(1 << 20)
            .here()
            .u64(8)
            .zeros(64),
        Code::BadShape,
    );
}

#[test]
fn rule_26_tensor_types() {
    for kind in [4, 5, 31, 32, 33, 36, 37, 38, 43, 97, 399, 1 << 31, u32::MAX] {
        let error = refused(
            &table(1).shape("a", &[256]).here().u32(kind).zeros(64),
            Code::BadTensorType,
        );
        assert!(error.message.contains(&kind.to_string()), "{error}");
    }
}

#[test]
fn rule_27_rows_of_whole_blocks() {
    for (kind, row) in [
        (2, 31),
        (2, 33),
        (12, 32),
        (12, 255),
        (40, 32),
        (41, 64),
        (39, 1),
    ] {
        refused(
            &table(1)
                .string("a")
                .u32(1)
                .here()
                .u64(row)
                .u32(kind)
                .zeros(64),
            Code::BadShape,
        );
    }
    // Only the row counts, not the whole.
    refused(
        &table(1)
            .string("a")
            .u32(2)
            .here()
            .u64(16)
            .u64(2)
            .u32(2)
            .zeros(64),
        Code::BadShape,
    );
    // A scalar is a row of one.
    refused(
        &table(1).string("a").here().u32(0).u32(2).zeros(64),
        Code::BadShape,
    );
    // An empty row is a multiple of any block.
    let empty = table(1).tensor("a", &[0], 0, 0).pad(32);
    accepted(&empty);
}

#[test]
fn rule_28_to_31_sizes() {
    // 2^61 values of 8 bytes: 2^64.
    refused(
        &table(1)
            .string("a")
            .u32(1)
            .here()
            .u64(1 << 61)
            .u32(27)
            .zeros(64),
        Code::BadShape,
    );
    // 2^64 - 8 bytes, which pad to 2^64.
    refused(
        &table(1)
            .string("a")
            .u32(1)
            .here()
            .u64((1 << 61) - 1)
            .u32(27)
            .zeros(64),
        Code::BadShape,
    );
    // Two that fit each, and not together.
    let half = (1 << 63) - 64;
    let raw = table(2)
        .tensor("a", &[half], 24, 0)
        .string("b")
        .u32(1)
        .here()
        .u64(half)
        .u32(24);
    refused(&raw.u64(half).zeros(64), Code::BadShape);
    let raw = table(2)
        .tensor("a", &[half], 24, 0)
        .string("b")
        .u32(1)
        .here()
        .u64(i64::MAX as u64)
        .u32(24);
    refused(&raw.u64(half).zeros(64), Code::BadShape);
}

#[test]
fn rule_32_offsets() {
    for offset in [1, 32, 1 << 40, u64::MAX] {
        refused(
            &table(1)
                .shape("a", &[8])
                .u32(0)
                .here()
                .u64(offset)
                .zeros(256),
            Code::BadTensorOffset,
        );
    }
    let second = |offset| {
        table(2)
            .tensor("a", &[9], 0, 0)
            .shape("b", &[8])
            .u32(0)
            .here()
            .u64(offset)
            .zeros(256)
    };
    for offset in [0, 32, 36, 63, 65, 96] {
        refused(&second(offset), Code::BadTensorOffset);
    }
    // The alignment that counts is the file's own.
    let raw = Raw::v3(2, 2)
        .architecture()
        .alignment(64)
        .tensor("a", &[8], 0, 0);
    refused(
        &raw.shape("b", &[8]).u32(0).here().u64(32).zeros(256),
        Code::BadTensorOffset,
    );
}

#[test]
fn rule_33_the_headers_padding() {
    let header = table(1).tensor("a", &[0], 0, 0);
    assert_ne!(header.bytes.len() % 32, 0);
    refused(&header.clone().here(), Code::Truncated);
    let cut = header.clone().here().pad(32);
    let cut = Raw {
        bytes: cut.bytes[..cut.bytes.len() - 1].to_vec(),
        ..cut
    };
    refused(&cut, Code::Truncated);
    accepted(&header.pad(32));
}

#[test]
fn rule_35_names_the_first_tensor_that_is_cut() {
    let header = table(2)
        .tensor("a", &[8], 0, 0)
        .shape("b", &[8])
        .u32(0)
        .here()
        .u64(32)
        .pad(32);
    for data in [32, 33, 63] {
        let error = refused(&header.clone().zeros(data), Code::Truncated);
        assert_eq!(error.field.as_deref(), Some("b"));
    }
    accepted(&header.zeros(64));
    let header = table(2)
        .shape("a", &[8])
        .u32(0)
        .here()
        .u64(0)
        .tensor("b", &[8], 0, 32)
        .pad(32);
    for data in [0, 1, 31] {
        let error = refused(&header.clone().zeros(data), Code::Truncated);
        assert_eq!(error.field.as_deref(), Some("a"));
    }
}

#[test]
fn rule_10_keys_of_the_formats_kind() {
    for key in [
        "General.name",
        "a b",
        "a..b",
        ".a",
        "a.",
        "a/b",
        "a.b-c",
        "naïve",
    ] {
        found(&pair().here().pair_u32(key, 1), 10);
    }
    found(&pair().here().pair_u32(b"\xff\xfe", 1), 10);
    found(&pair().here().pair_u32("a".repeat(65_536), 1), 10);
    for key in [
        "a".repeat(65_535),
        "nomic-bert.block_count".into(),
        "a_b.c0._".into(),
        "__proto__".into(),
    ] {
        accepted(&pair().pair_u32(key, 1));
    }
}

#[test]
fn rule_15_bools() {
    let header = found(&pair().key("a", BOOL).here().u8(2), 15);
    assert_eq!(header.get(b"a"), Some(Value::Bool(true)));
    let header = found(
        &pair().array("a", BOOL, 4).u8(0).u8(1).here().u8(255).u8(7),
        15,
    );
    let decoded: Vec<_> = header
        .get(b"a")
        .and_then(|value| value.as_array())
        .unwrap()
        .values()
        .collect();
    assert_eq!(
        decoded,
        [
            Value::Bool(false),
            Value::Bool(true),
            Value::Bool(true),
            Value::Bool(true)
        ]
    );
    accepted(&pair().array("a", BOOL, 2).u8(0).u8(1));
}

#[test]
fn rule_16_strings_of_utf8() {
    found(
        &pair()
            .key("a", STR)
            .u64(3)
            .raw(b"x")
            .here()
            .raw(b"\xc3\x28"),
        16,
    );
    // A character cut in two by the end of its string is none, whatever follows.
    found(
        &pair()
            .array("a", STR, 3)
            .string("ok")
            .here()
            .string(b"\xc3")
            .string(b"\xa4"),
        16,
    );
    accepted(&pair().array("a", STR, 2).string("ä").string(""));
}

#[test]
fn rule_19_alignments_below_eight() {
    for alignment in [1, 2, 4] {
        found(
            &pair().key("general.alignment", U32).here().u32(alignment),
            19,
        );
    }
    for alignment in [8, 16, 32, 4096, 65_536, 1 << 20] {
        let header = accepted(&pair().alignment(alignment));
        assert_eq!(header.alignment(), u64::from(alignment));
    }
}

/// Two tensors of 4 bytes each, with the padding that the caller gives.
fn padded(between: &[u8], behind: &[u8]) -> Raw {
    let header = table(2)
        .tensor("a", &[1], 0, 0)
        .tensor("b", &[1], 0, 32)
        .pad(32);
    header.raw(b"DATA").raw(between).raw(b"DATA").raw(behind)
}

#[test]
fn rule_34_padding_of_zeros() {
    accepted(&padded(&[0; 28], &[0; 28]));
    for position in [0, 13, 27] {
        let mut padding = [0; 28];
        padding[position] = 1;
        let mut between = padded(&padding, &[0; 28]);
        let data = between.bytes.len() as u64 - 64;
        between.mark = Some(data + 4 + position as u64);
        found(&between, 34);
        let behind = padded(&[0; 28], &padding);
        found(
            &Raw {
                mark: Some(data + 36 + position as u64),
                ..behind
            },
            34,
        );
    }
    let mut header = padded(&[0; 28], &[0; 28]);
    let last = header.bytes.len() - 64 - 1;
    header.bytes[last] = b'x';
    header.mark = Some(last as u64);
    found(&header, 34);
}

#[test]
fn rule_34_in_long_padding_finds_the_byte_wherever_it_is() {
    let header = Raw::v3(1, 2)
        .architecture()
        .alignment(4096)
        .tensor("a", &[1], 0, 0)
        .pad(4096);
    for position in [4, 255, 256, 259, 260, 261, 515, 516, 4094, 4095] {
        let mut raw = header.clone().zeros(4096);
        raw.bytes[4096 + position] = 1;
        raw.mark = Some(4096 + position as u64);
        found(&raw, 34);
    }
}

#[test]
fn rule_34_is_not_judged_when_only_the_header_was_fed() {
    let file = padded(&[1; 28], &[0; 28]);
    assert_eq!(scan_header(&file.bytes, strict()).unwrap().findings(), []);
}

#[test]
fn rule_36_the_last_padding() {
    for present in [0, 1, 27] {
        let raw = padded(&[0; 28], &[]).here().zeros(present);
        found(&raw, 36);
    }
}

#[test]
fn rule_37_the_tail() {
    accepted(&padded(&[0; 28], &[0; 28]).zeros(31));
    found(&padded(&[0; 28], &[0; 28]).here().zeros(32), 37);
    found(&padded(&[0; 28], &[0; 28]).here().raw(&[b'x'; 100_000]), 37);
    found(
        &padded(&[0; 28], &[0; 28])
            .zeros(5)
            .here()
            .raw(b"x")
            .zeros(3),
        37,
    );
    accepted(&table(0).zeros(31));
    accepted(&table(0).pad(32));
    found(&table(0).here().raw(b"PK\x03\x04"), 37);
    found(&table(0).here().zeros(32), 37);
}

#[test]
fn rule_38_the_architecture() {
    let header = found(
        &Raw::v3(0, 1)
            .key("general.architecture", STR)
            .u64(5)
            .here()
            .raw(b"LLaMA"),
        38,
    );
    assert_eq!(header.architecture(), Some("LLaMA"));
    let header = found(
        &Raw::v3(0, 1)
            .string("general.architecture")
            .here()
            .u32(U32)
            .u32(1),
        38,
    );
    assert_eq!(header.architecture(), None);
    found(
        &Raw::v3(0, 1).key("general.architecture", STR).u64(0).here(),
        38,
    );
    accepted(&Raw::v3(0, 1).pair_string("general.architecture", "nomic-bert"));
}

#[test]
fn rule_39_the_quantisations_version() {
    let quantised = |raw: Raw| {
        raw.tensor("f", &[1], 0, 0)
            .shape("q", &[32])
            .here()
            .u32(8)
            .u64(32)
            .pad(32)
            .zeros(96)
    };
    assert_eq!(
        found(&quantised(table(2)), 39).findings()[0]
            .field
            .as_deref(),
        Some("q")
    );
    accepted(&quantised(
        Raw::v3(2, 2)
            .architecture()
            .pair_u32("general.quantization_version", 2),
    ));
}

#[test]
fn rule_46_chat_templates() {
    let template = |text: &str| pair().pair_string("tokenizer.chat_template", text);
    accepted(&template(
        "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>__{{ m.content }}{% endfor %}",
    ));
    let rows = [
        ("tokenizer.chat_template", "{{ x.", "__class__ }}"),
        ("tokenizer.chat_template", "{{ ''", "|attr('x') }}"),
        ("tokenizer.chat_template", "{{ ''", "| attr ('x') }}"),
        (
            "tokenizer.chat_template",
            "|attribute(x) {{ x['",
            "__globals__'] }}",
        ),
        (
            "tokenizer.chat_template.tool_use",
            "{{ ",
            "cycler.__init__ }}",
        ),
    ];
    for (key, before, attack) in rows {
        let start = pair()
            .key(key, STR)
            .u64((before.len() + attack.len()) as u64);
        found(
            &start.raw(before.as_bytes()).here().raw(attack.as_bytes()),
            46,
        );
    }
    // Any other string may say what it likes.
    accepted(&pair().pair_string("general.description", "{{ x.__class__ }}"));
}

#[test]
fn rule_46_a_template_has_a_limit_of_its_own() {
    let long = "x".repeat((1 << 20) + 1);
    let template = pair()
        .key("tokenizer.chat_template", STR)
        .u64(long.len() as u64);
    found(&template.here().raw(long.as_bytes()), 46);
    let raw = pair()
        .key("tokenizer.chat_template", STR)
        .here()
        .u64((16 << 20) + 1)
        .zeros(64);
    let error = refused(&raw, Code::LimitExceeded);
    assert!(
        error
            .message
            .contains("the limit of 16777216: raise limits.chatTemplateBytes"),
        "{error}"
    );
    // No other key shares it.
    let other = pair()
        .key("tokenizer.chat_templates", STR)
        .here()
        .u64(long.len() as u64)
        .raw(long.as_bytes());
    assert_eq!(
        parse(&other.bytes, Policy::default()).unwrap_err().offset,
        other.mark
    );
}
