//! The whole file at once and in blocks must get one verdict, and no accessor may panic.
//!
//! The input's first bytes choose policy and block sizes, the rest is the file.

#![no_main]

use gguf::{GgufError, Header, Limits, Policy, Scanner, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choices, file)) = input.split_first_chunk::<4>() else {
        return;
    };
    let policy = policy(choices[0]);
    let whole = gguf::parse(file, policy);
    let blocks = in_blocks(file, policy, &choices[1..]);
    match (whole, blocks) {
        (Ok(whole), Ok(blocks)) => {
            assert_eq!(read_all(&whole), read_all(&blocks));
            assert_eq!(whole.findings(), blocks.findings());
        }
        (Err(whole), Err(blocks)) => {
            judge_refusal(&whole, file);
            assert_eq!(whole, blocks);
        }
        (whole, blocks) => panic!("whole {:?}, blocks {:?}", whole.err(), blocks.err()),
    }
});

fn policy(choice: u8) -> Policy {
    let mut limits = Limits::default();
    if choice & 4 != 0 {
        limits.header_bytes_max = 512;
        limits.string_bytes_max = 32;
    }
    if choice & 8 != 0 {
        limits = unlimited();
    }
    Policy {
        limits,
        engine_safety: choice & 1 != 0,
        strict: choice & 2 != 0,
    }
}

fn unlimited() -> Limits {
    Limits {
        header_bytes_max: u64::MAX,
        metadata_pairs_max: u64::MAX,
        tensors_max: u64::MAX,
        array_elements_max: u64::MAX,
        string_bytes_max: u64::MAX,
        chat_template_bytes_max: u64::MAX,
        key_bytes_max: u64::MAX,
        alignment_max: u64::MAX,
        index_bytes_max: u64::MAX,
    }
}

fn in_blocks(file: &[u8], policy: Policy, sizes: &[u8]) -> Result<Header, GgufError> {
    let mut scanner = Scanner::new(file.len() as u64, policy);
    let mut rest = file;
    for size in sizes.iter().cycle() {
        let (block, behind) = rest.split_at(rest.len().min(1 + usize::from(*size)));
        scanner.feed(block);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    scanner.finish()
}

/// Every accessor over everything; the sum keeps the work from being optimised away.
fn read_all(header: &Header) -> u64 {
    let pairs: u64 = header
        .pairs()
        .map(|pair| pair.offset + read(pair.value))
        .sum();
    for pair in header.pairs() {
        assert_eq!(
            header.pair_named(pair.key).map(|found| found.offset),
            Some(pair.offset)
        );
    }
    let tensors = header.tensors().map(|tensor| {
        assert_eq!(header.tensor_named(tensor.name), Some(tensor));
        assert!(tensor.offset + tensor.bytes <= header.file_size());
        tensor.offset.wrapping_add(tensor.shape.iter().sum())
    });
    let tensors = tensors.fold(0, u64::wrapping_add);
    assert!(header.header_bytes() <= header.data_offset());
    assert!(header.data_offset() <= header.file_size());
    let _ = (header.architecture(), header.split());
    pairs.wrapping_add(tensors)
}

fn read(value: Value<'_>) -> u64 {
    let Some(array) = value.as_array() else {
        return value.as_bytes().map_or(1, |bytes| bytes.len() as u64);
    };
    assert_eq!(array.values().count() as u64, array.len);
    assert_eq!(array.get(array.len), None);
    array.strings().map(|string| string.len() as u64).sum()
}

fn judge_refusal(error: &GgufError, file: &[u8]) {
    assert!(
        error.message.is_ascii() && error.message.len() < 1000,
        "{error}"
    );
    assert!(
        error
            .offset
            .is_none_or(|offset| offset <= file.len() as u64),
        "{error}"
    );
    assert!(
        error
            .field
            .as_ref()
            .is_none_or(|field| field.len() <= 128 && field.is_ascii())
    );
}
