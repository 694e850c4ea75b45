//! The scanner against its naive twin, over mutated good files in random blocks: same verdict,
//! same code and offset, same header.

// A failed look-up is a failed test, and the files here are small.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::large_stack_arrays
)]

mod common;

use common::naive::{self, Seen};
use common::*;
use gguf::{Code, GgufError, Header, Limits, Policy, Scanner};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// The twin does not know the rules of engines.
fn policy() -> Policy {
    let limits = Limits {
        // Small enough that mutations reach them.
        header_bytes_max: 4096,
        string_bytes_max: 64,
        key_bytes_max: 64,
        array_elements_max: 64,
        metadata_pairs_max: 40,
        tensors_max: 40,
        index_bytes_max: 48 * 50,
        alignment_max: 64,
        ..Limits::default()
    };
    Policy {
        limits,
        engine_safety: false,
        strict: false,
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[a-z]{1,6}(\\.[a-z_]{1,6}){0,2}".prop_map(String::into_bytes),
        1 => Just(b"general.architecture".to_vec()),
        1 => Just(b"general.quantization_version".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..8),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => "\\PC{0,9}".prop_map(String::into_bytes), 1 => proptest::collection::vec(any::<u8>(), 0..9)]
}

/// A pair as it stands in the file.
fn pair() -> impl Strategy<Value = Raw> {
    let scalar = (
        key(),
        prop::sample::select(vec![U8, I16, U32, F32, BOOL, U64, F64]),
        any::<[u8; 8]>(),
    );
    let scalar =
        scalar.prop_map(|(key, kind, bytes)| Raw::new().key(key, kind).raw(&bytes[..width(kind)]));
    let string = (key(), text()).prop_map(|(key, text)| Raw::new().pair_string(key, text));
    let strings = (key(), proptest::collection::vec(text(), 0..6)).prop_map(|(key, texts)| {
        let array = Raw::new().array(key, STR, texts.len() as u64);
        texts.iter().fold(array, Raw::string)
    });
    let numbers = (
        key(),
        prop::sample::select(vec![U8, I16, U32, BOOL, F64]),
        0_usize..6,
    );
    let numbers = numbers.prop_map(|(key, kind, count)| {
        Raw::new()
            .array(key, kind, count as u64)
            .raw(&vec![1; count * width(kind)])
    });
    prop_oneof![scalar, string, strings, numbers]
}

fn width(kind: u32) -> usize {
    [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][kind as usize]
}

/// A row's type, and its shape in rows of whole blocks.
fn row() -> impl Strategy<Value = (u32, Vec<u64>)> {
    let kinds = prop::sample::select(vec![(0, 1), (24, 1), (2, 32), (12, 256), (30, 1)]);
    (kinds, proptest::collection::vec(0_u64..4, 0..4)).prop_map(|((kind, block), mut shape)| {
        if block > 1 {
            shape.insert(0, block);
        }
        (kind, shape)
    })
}

/// A good file, but for what its keys happen to be.
fn good() -> impl Strategy<Value = Vec<u8>> {
    let parts = (
        proptest::collection::vec(pair(), 0..6),
        proptest::collection::vec(row(), 0..5),
        prop::option::of(prop::sample::select(vec![1_u32, 4, 8, 16, 32, 64])),
        0_usize..3,
        prop::bool::ANY,
    );
    parts.prop_map(|(pairs, rows, alignment, tail, last_padding)| {
        assemble(&pairs, &rows, alignment, tail, last_padding)
    })
}

fn assemble(
    pairs: &[Raw],
    rows: &[(u32, Vec<u64>)],
    alignment: Option<u32>,
    tail: usize,
    last_padding: bool,
) -> Vec<u8> {
    let count = pairs.len() as u64 + u64::from(alignment.is_some());
    let mut raw = Raw::v3(rows.len() as u64, count);
    raw = alignment.into_iter().fold(raw, Raw::alignment);
    raw = pairs.iter().fold(raw, |raw, pair| raw.raw(&pair.bytes));
    let alignment = alignment.unwrap_or(32) as usize;
    let mut data = Raw::new();
    for (number, (kind, shape)) in rows.iter().enumerate() {
        data = data.pad(alignment);
        raw = raw.tensor(
            format!("tensor.{number}"),
            shape,
            *kind,
            data.bytes.len() as u64,
        );
        let kind = gguf::TensorType::from_id(*kind).unwrap();
        let values: u64 = shape.iter().product();
        data = data.raw(&vec![
            0xaa;
            (values / kind.block_size() * kind.block_bytes())
                as usize
        ]);
    }
    if !rows.is_empty() {
        raw = raw.pad(alignment);
        data = if last_padding {
            data.pad(alignment)
        } else {
            data
        };
    }
    raw.raw(&data.bytes).zeros(tail * 15).bytes
}

#[derive(Clone, Debug)]
enum Mutation {
    Byte(Index, u8),
    Number(Index, u64),
    Small(Index, u32),
    Cut(Index),
    Remove(Index),
    Insert(Index, u8),
    Copy(Index, Index, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let wild = vec![
        0,
        1,
        63,
        64,
        65,
        1 << 31,
        1 << 32,
        1 << 61,
        (1 << 61) - 1,
        1 << 62,
        1 << 63,
        u64::MAX,
        u64::MAX - 7,
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        (any::<Index>(), 0_u8..14).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        (any::<Index>(), prop::sample::select(wild))
            .prop_map(|(at, number)| Mutation::Number(at, number)),
        (any::<Index>(), 0_u32..45).prop_map(|(at, number)| Mutation::Small(at, number)),
        any::<Index>().prop_map(Mutation::Cut),
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        (any::<Index>(), any::<Index>(), any::<u8>())
            .prop_map(|(from, to, length)| Mutation::Copy(from, to, length)),
    ]
}

fn mutate(mut file: Vec<u8>, mutation: &Mutation) -> Vec<u8> {
    if file.is_empty() {
        return file;
    }
    match mutation {
        Mutation::Byte(at, byte) => *at.get_mut(&mut file) = *byte,
        Mutation::Number(at, number) => overwrite(&mut file, *at, &number.to_le_bytes()),
        Mutation::Small(at, number) => overwrite(&mut file, *at, &number.to_le_bytes()),
        Mutation::Cut(at) => file.truncate(at.index(file.len())),
        Mutation::Remove(at) => drop(file.remove(at.index(file.len()))),
        Mutation::Insert(at, byte) => file.insert(at.index(file.len()), *byte),
        Mutation::Copy(from, to, length) => {
            let from = from.index(file.len());
            let copied = file[from..(from + usize::from(*length)).min(file.len())].to_vec();
            overwrite(&mut file, *to, &copied);
        }
    }
    file
}

fn overwrite(file: &mut [u8], at: Index, bytes: &[u8]) {
    let at = at.index(file.len());
    file[at..]
        .iter_mut()
        .zip(bytes)
        .for_each(|(old, new)| *old = *new);
}

/// Feeds the file in blocks of these sizes, over and over.
fn in_blocks(file: &[u8], policy: Policy, sizes: &[usize]) -> Result<Header, GgufError> {
    let mut scanner = Scanner::new(file.len() as u64, policy);
    let mut rest = file;
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (block, behind) = rest.split_at(size.min(rest.len()));
        scanner.feed(block);
        rest = behind;
    }
    scanner.finish()
}

fn summary(header: &Header) -> Seen {
    Seen {
        version: header.version(),
        alignment: header.alignment(),
        header_bytes: header.header_bytes(),
        data_offset: header.data_offset(),
        pairs: header
            .pairs()
            .map(|pair| (pair.key.to_vec(), pair.offset))
            .collect(),
        tensors: header
            .tensors()
            .map(|tensor| (tensor.name.to_vec(), tensor.offset, tensor.bytes))
            .collect(),
        findings: header
            .findings()
            .iter()
            .map(|found| (found.rule, found.offset))
            .collect(),
    }
}

fn agree(file: &[u8], sizes: &[usize]) -> Result<(), TestCaseError> {
    let expected = naive::judge(file, policy().limits);
    let found = in_blocks(file, policy(), sizes);
    let whole = gguf::parse(file, policy());
    prop_assert_eq!(whole.as_ref().err(), found.as_ref().err());
    match (expected, found) {
        (Ok(expected), Ok(header)) => {
            prop_assert_eq!(expected, summary(&header));
            touch(&header);
        }
        (Err(expected), Err(error)) => {
            prop_assert_eq!(expected, (error.code, error.offset), "{}", error);
        }
        (expected, found) => prop_assert!(
            false,
            "twin {expected:?}, scanner {:?}",
            found.map(|header| summary(&header))
        ),
    }
    Ok(())
}

/// Every accessor over everything: nothing may panic, and every look-up finds its own.
fn touch(header: &Header) {
    for pair in header.pairs() {
        assert_eq!(
            header.pair_named(pair.key).map(|found| found.offset),
            Some(pair.offset)
        );
        if let Some(array) = pair.value.as_array() {
            assert_eq!(array.values().count() as u64, array.len);
        }
    }
    for tensor in header.tensors() {
        assert_eq!(header.tensor_named(tensor.name), Some(tensor));
    }
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), proptest::collection::vec(1_usize..200, 1..8)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_twin_agrees_on_good_files(file in good(), sizes in sizes()) {
        agree(&file, &sizes)?;
    }

    #[test]
    fn the_twin_agrees_on_mutated_files(
        file in good(),
        mutations in proptest::collection::vec(mutation(), 1..4),
        sizes in sizes(),
    ) {
        agree(&mutations.iter().fold(file, mutate), &sizes)?;
    }

    #[test]
    fn the_twin_agrees_on_noise(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        preamble in prop::bool::ANY,
        sizes in sizes(),
    ) {
        let start = if preamble { Raw::v3(1, 2) } else { Raw::new() };
        agree(&start.raw(&noise).bytes, &sizes)?;
    }

    /// With every limit off and every rule on, nothing panics.
    #[test]
    fn no_mutation_makes_it_panic(file in good(), mutations in proptest::collection::vec(mutation(), 0..4)) {
        let file = mutations.iter().fold(file, mutate);
        let most = u64::MAX;
        let limits = Limits {
            header_bytes_max: most, metadata_pairs_max: most, tensors_max: most, array_elements_max: most,
            string_bytes_max: most, chat_template_bytes_max: most, key_bytes_max: most, alignment_max: most,
            index_bytes_max: most,
        };
        if let Ok(header) = gguf::parse(&file, Policy { limits, engine_safety: true, strict: false }) {
            touch(&header);
        }
    }
}

/// A generator that never gets past the preamble would make every comparison above worthless.
#[test]
fn the_mutations_reach_every_structural_code() {
    let mut runner = TestRunner::deterministic();
    let strategy = (good(), proptest::collection::vec(mutation(), 0..3));
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..20_000 {
        let (file, mutations) = strategy.new_tree(&mut runner).unwrap().current();
        let file = mutations.iter().fold(file, mutate);
        let verdict = gguf::parse(&file, policy());
        let name = verdict.map_or_else(|error| error.code.as_str(), |_| "accepted");
        *seen.entry(name).or_insert(0) += 1;
    }
    println!("{seen:?}");
    let outside = [Code::BadSplit, Code::EngineUnsafe, Code::Nonconformant];
    let structural = Code::ALL.iter().filter(|code| !outside.contains(code));
    let missing: Vec<_> = structural
        .filter(|code| !seen.contains_key(code.as_str()))
        .collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
    assert!(seen["accepted"] > 4000);
}
