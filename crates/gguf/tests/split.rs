//! What the `split.*` keys of one file may say (rules 40 to 44).

// A failed look-up is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use gguf::{Code, Policy, parse};

/// A whole set of keys: shard 1 of 3, with 7 tensors in the set and one here.
fn shard(no: u16, count: u16, tensors: i32) -> Raw {
    Raw::v3(1, 4)
        .architecture()
        .key("split.no", U16)
        .u16(no)
        .key("split.count", U16)
        .u16(count)
        .key("split.tensors.count", I32)
        .i32(tensors)
}

fn with_tensor(raw: Raw) -> Raw {
    raw.tensor("a", &[8], 0, 0).pad(32).zeros(32)
}

/// The same keys, with the mark at the value of one of them.
fn marked(no: u16, count: u16, tensors: i32, key: &str) -> Raw {
    let mut raw = with_tensor(shard(no, count, tensors));
    let position = raw
        .bytes
        .windows(key.len())
        .position(|window| window == key.as_bytes())
        .unwrap();
    raw.mark = Some((position + key.len() + 4) as u64);
    raw
}

#[test]
fn a_shard_that_does_not_exist_is_refused() {
    for (no, count) in [(3, 3), (4, 3), (u16::MAX, 3), (1, 1), (1, 0)] {
        let error = refused(&marked(no, count, 1, "split.no"), Code::BadSplit);
        assert_eq!(error.field.as_deref(), Some("split.no"));
    }
}

#[test]
fn a_tensor_total_that_cannot_be_is_refused() {
    for (count, tensors) in [(3, 0), (3, -1), (3, i32::MIN), (1, 0), (1, 2), (0, -1)] {
        let error = refused(
            &marked(0, count, tensors, "split.tensors.count"),
            Code::BadSplit,
        );
        assert_eq!(error.field.as_deref(), Some("split.tensors.count"));
    }
}

#[test]
fn a_key_of_another_type_is_refused_at_its_type() {
    for key in ["split.no", "split.count", "split.tensors.count"] {
        for kind in [U8, I16, U32, STR, U64] {
            refused(
                &Raw::v3(0, 2)
                    .architecture()
                    .string(key)
                    .here()
                    .u32(kind)
                    .zeros(8),
                Code::BadSplit,
            );
        }
    }
    refused(
        &Raw::v3(0, 2)
            .architecture()
            .string("split.no")
            .here()
            .u32(I32)
            .i32(0),
        Code::BadSplit,
    );
    refused(
        &Raw::v3(0, 2)
            .architecture()
            .string("split.tensors.count")
            .here()
            .u32(U16)
            .u16(0),
        Code::BadSplit,
    );
}

#[test]
fn a_missing_key_is_refused_beside_one_that_is_there() {
    let only = |key: &str, kind: u32, size: usize| {
        Raw::v3(0, 2)
            .architecture()
            .here()
            .key(key, kind)
            .u8(2)
            .zeros(size - 1)
    };
    let error = refused(&only("split.no", U16, 2), Code::BadSplit);
    assert_eq!(error.field.as_deref(), Some("split.count"));
    let error = refused(&only("split.count", U16, 2), Code::BadSplit);
    assert_eq!(error.field.as_deref(), Some("split.no"));
    let error = refused(&only("split.tensors.count", I32, 4), Code::BadSplit);
    assert_eq!(error.field.as_deref(), Some("split.count"));
}

#[test]
fn the_tier_can_be_turned_off() {
    let policy = Policy {
        engine_safety: false,
        ..Policy::default()
    };
    parse(&with_tensor(shard(9, 3, -1)).bytes, policy).unwrap();
}

#[test]
fn sound_shards_are_accepted() {
    let header = accepted(&with_tensor(shard(0, 3, 7)));
    let split = header.split().unwrap();
    assert_eq!((split.no, split.count, split.tensors), (0, 3, Some(7)));
    // All the tensors may be here.
    accepted(&with_tensor(shard(2, 3, 1)));
    accepted(&with_tensor(shard(0, 1, 1)));
    // A merged file keeps the keys, with a count of 0.
    assert_eq!(accepted(&with_tensor(shard(0, 0, 1))).split(), None);
}

#[test]
fn a_later_shard_leaves_the_model_to_the_first() {
    let keys = Raw::v3(1, 3)
        .key("split.no", U16)
        .u16(1)
        .key("split.count", U16)
        .u16(2);
    let raw = keys
        .key("split.tensors.count", I32)
        .i32(2)
        .tensor("q", &[32], 8, 0)
        .pad(32)
        .zeros(64);
    accepted(&raw);
}
