//! What several files must say to be one model (rules 40 to 44, over the whole set).

// A failed look-up is a failed test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::*;
use gguf::{Code, Header, Limits, Policy, SetError, judge_set, parse};

/// A part in the making: its place, the set's size and total, and its tensors of 32 bytes each.
struct Part {
    no: u16,
    count: u16,
    total: i32,
    version: u32,
    pairs: Vec<Raw>,
    tensors: Vec<&'static str>,
}

fn part(no: u16, tensors: &[&'static str]) -> Part {
    Part {
        no,
        count: 3,
        total: 3,
        version: 3,
        pairs: Vec::new(),
        tensors: tensors.to_vec(),
    }
}

impl Part {
    fn with(mut self, pair: Raw) -> Self {
        self.pairs.push(pair);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let start = Raw::new()
            .raw(b"GGUF")
            .u32(self.version)
            .u64(self.tensors.len() as u64)
            .u64(self.pairs.len() as u64 + 3);
        let raw = self
            .pairs
            .iter()
            .fold(start, |raw, pair| raw.raw(&pair.bytes))
            .key("split.no", U16)
            .u16(self.no)
            .key("split.count", U16)
            .u16(self.count)
            .key("split.tensors.count", I32)
            .i32(self.total);
        let raw = (0..).zip(&self.tensors).fold(raw, |raw, (place, name)| {
            raw.tensor(name, &[8], 0, place * 32)
        });
        raw.pad(32).zeros(32 * self.tensors.len()).bytes
    }

    fn header(&self) -> Header {
        parse(&self.bytes(), Policy::default()).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn first() -> Part {
    part(0, &["a"]).with(Raw::new().architecture())
}

fn judge(parts: &[Part]) -> Result<(), SetError> {
    judge_by(parts, Policy::default())
}

fn judge_by(parts: &[Part], policy: Policy) -> Result<(), SetError> {
    let headers: Vec<Header> = parts.iter().map(Part::header).collect();
    judge_set(&headers.iter().collect::<Vec<_>>(), policy)
}

/// The set is refused in that part, at the value of that key.
#[track_caller]
fn refused_at(parts: &[Part], index: usize, key: &str) -> SetError {
    let error = judge(parts).unwrap_err();
    assert_eq!((error.part, error.error.code), (index, Code::BadSplit));
    assert_eq!(error.error.field.as_deref(), Some(key), "{}", error.error);
    let bytes = parts[index].bytes();
    let position = bytes
        .windows(key.len())
        .position(|window| window == key.as_bytes());
    assert_eq!(
        error.error.offset,
        position.map(|at| (at + key.len() + 4) as u64)
    );
    error
}

#[test]
fn a_sound_set_is_accepted() {
    judge(&[first(), part(1, &["b"]), part(2, &["c"])]).unwrap();
    // The first may hold metadata alone, and another one nothing at all.
    let bare = part(0, &[]).with(Raw::new().architecture());
    judge(&[bare, part(1, &["b", "c", "d"]), part(2, &[])]).unwrap();
    // What the first says may be said again.
    let again = part(1, &["b"]).with(Raw::new().architecture());
    judge(&[first(), again, part(2, &["c"])]).unwrap();
}

#[test]
fn a_part_twice_or_out_of_order_is_refused_at_its_number() {
    refused_at(&[first(), part(2, &["b"]), part(2, &["c"])], 1, "split.no");
    refused_at(&[first(), part(1, &["b"]), part(1, &["c"])], 2, "split.no");
    refused_at(&[part(1, &["b"]), first(), part(2, &["c"])], 0, "split.no");
}

#[test]
fn a_part_of_a_larger_set_is_refused_at_its_count() {
    let mut other = part(1, &["b"]);
    other.count = 4;
    refused_at(&[first(), other, part(2, &["c"])], 1, "split.count");
}

#[test]
fn a_file_that_is_no_part_is_refused_by_name() {
    let whole = Raw::v3(1, 1)
        .architecture()
        .tensor("b", &[8], 0, 0)
        .pad(32)
        .zeros(32);
    let whole = parse(&whole.bytes, Policy::default()).unwrap();
    let (first, last) = (first().header(), part(2, &["c"]).header());
    let error = judge_set(&[&first, &whole, &last], Policy::default()).unwrap_err();
    assert_eq!((error.part, error.error.code), (1, Code::BadSplit));
    assert_eq!(
        (error.error.field.as_deref(), error.error.offset),
        (Some("split.count"), None)
    );
}

#[test]
fn totals_that_differ_or_do_not_add_up_are_refused() {
    let mut other = part(1, &["b"]);
    other.total = 4;
    refused_at(&[first(), other, part(2, &["c"])], 1, "split.tensors.count");
    let parts = [first(), part(1, &["b"]), part(2, &[])];
    refused_at(&parts, 0, "split.tensors.count");
    let parts = [first(), part(1, &["b"]), part(2, &["c", "d"])];
    refused_at(&parts, 0, "split.tensors.count");
}

#[test]
fn a_tensor_in_two_parts_is_refused_at_its_row() {
    let parts = [first(), part(1, &["b"]), part(2, &["a"])];
    let error = judge(&parts).unwrap_err();
    assert_eq!((error.part, error.error.code), (2, Code::DuplicateTensor));
    assert_eq!(error.error.field.as_deref(), Some("a"));
    let bytes = parts[2].bytes();
    let at = usize::try_from(error.error.offset.unwrap()).unwrap();
    assert_eq!(bytes[at..at + 9], *b"\x01\0\0\0\0\0\0\0a");
}

#[test]
fn parts_of_different_models_are_refused_where_they_differ() {
    let other = part(1, &["b"]).with(Raw::new().pair_string("general.architecture", "gemma"));
    refused_at(
        &[first(), other, part(2, &["c"])],
        1,
        "general.architecture",
    );
    // A type of the same bytes is another value too.
    let [one, other] = [U32, I32].map(|kind| Raw::new().key("a.b", kind).u32(1));
    let parts = [
        first().with(one),
        part(1, &["b"]).with(other),
        part(2, &["c"]),
    ];
    refused_at(&parts, 1, "a.b");
    let mut older = part(1, &["b"]);
    older.version = 2;
    let error = judge(&[first(), older, part(2, &["c"])]).unwrap_err();
    assert_eq!((error.part, error.error.offset), (1, Some(4)));
    assert_eq!(error.error.code, Code::BadSplit);
}

#[test]
fn metadata_that_no_engine_reads_there_is_refused() {
    let more = part(2, &["c"]).with(Raw::new().pair_u32("llama.block_count", 7));
    refused_at(&[first(), part(1, &["b"]), more], 2, "llama.block_count");
}

#[test]
fn an_alignment_that_only_the_first_part_states_is_its_own_affair() {
    let wide = |no, tensors: &[&'static str]| part(no, tensors).with(Raw::new().alignment(64));
    let bare = || wide(0, &[]).with(Raw::new().architecture());
    judge(&[bare(), part(1, &["b"]), part(2, &["c", "d"])]).unwrap();
    let other = part(2, &[]).with(Raw::new().alignment(32));
    let parts = [bare(), part(1, &["b", "c", "d"]), other];
    refused_at(&parts, 2, "general.alignment");
}

#[test]
fn the_limit_on_tensors_holds_for_the_whole_set() {
    let policy = Policy {
        limits: Limits {
            tensors_max: 2,
            ..Limits::default()
        },
        ..Policy::default()
    };
    let error = judge_by(&[first(), part(1, &["b"]), part(2, &["c"])], policy).unwrap_err();
    assert_eq!(error.error.code, Code::LimitExceeded);
}

#[test]
fn the_engine_is_protected_from_what_only_the_whole_set_shows() {
    // The embeddings lie in another part than the length that they contradict.
    let metadata = |length| {
        first()
            .with(Raw::new().pair_u32("llama.block_count", 1))
            .with(Raw::new().pair_u32("llama.embedding_length", length))
    };
    let parts = |length| {
        [
            metadata(length),
            part(1, &["token_embd.weight"]),
            part(2, &["c"]),
        ]
    };
    judge(&parts(8)).unwrap();
    let error = judge(&parts(9)).unwrap_err();
    assert_eq!((error.part, error.error.code), (0, Code::EngineUnsafe));
    assert_eq!(error.error.field.as_deref(), Some("llama.embedding_length"));
    let off = Policy {
        engine_safety: false,
        ..Policy::default()
    };
    judge_by(&parts(9), off).unwrap();
}
