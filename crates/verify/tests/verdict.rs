//! What a load and an inspection say of files, and in which order things are judged.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, ask, code, header_of, load, model, sha256};
use digest::Sha256Digest;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use verify::{Ask, Code, Control, inspect};

const BLOCK: usize = 1 << 20;
const RING: usize = 8 * BLOCK;

fn expecting(path: &str, expected: Sha256Digest) -> Ask {
    Ask {
        expected: Some(expected),
        ..ask(path)
    }
}

#[test]
fn a_good_model_is_verified_with_all_that_was_found() {
    let folder = Folder::new();
    let bytes = model(5 * BLOCK + 7);
    let path = folder.file("m", &bytes);
    let ask = expecting("m", sha256(&bytes));
    let control = Control::new();
    let verified = verify::load(&folder.root(), &ask, &control).unwrap();
    assert_eq!(verified.sha256(), sha256(&bytes));
    assert_eq!(verified.header().architecture(), Some("test"));
    assert_eq!(verified.header().tensor_count(), 1);
    assert_eq!(verified.implementation(), digest::sha256_implementation());
    assert!(verified.digest_expected());
    assert!(verified.seconds() > 0.0);
    let (facts, metadata) = (verified.facts(), path.metadata().unwrap());
    assert_eq!((facts.dev, facts.ino), (metadata.dev(), metadata.ino()));
    assert_eq!((facts.size, facts.nlink), (metadata.len(), 1));
    let ctime = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
    assert_eq!(facts.ctime_ns, ctime);
    assert_eq!(
        (control.bytes_done(), control.bytes_total()),
        (facts.size, facts.size)
    );
}

#[test]
fn the_descriptor_is_the_verified_file_at_its_start() {
    let folder = Folder::new();
    let bytes = model(3 * BLOCK);
    folder.file("m", &bytes);
    let verified = load(&folder.root(), "m").unwrap();
    let mut file = File::from(verified.as_fd().try_clone_to_owned().unwrap());
    let mut read = Vec::new();
    file.read_to_end(&mut read).unwrap();
    assert!(read == bytes);
    assert!(!verified.digest_expected());
}

#[test]
fn sizes_at_every_boundary_have_the_twins_digest() {
    let folder = Folder::new();
    let root = folder.root();
    let around = |size: usize| [size - 1, size, size + 1];
    let small = [0, 1, 2, 3, 4, 63, 64, 65, 127, 128, 129];
    let large = [BLOCK, 2 * BLOCK, 3 * BLOCK, RING, RING + BLOCK].map(around);
    for size in small.into_iter().chain(large.into_iter().flatten()) {
        let bytes = model(size.max(128));
        let bytes = bytes.get(..size).unwrap();
        folder.file("m", bytes);
        let digest = match load(&root, "m") {
            Ok(verified) => verified.sha256(),
            Err(refusal) => refusal.sha256.unwrap(),
        };
        assert_eq!(digest, sha256(bytes), "size {size}");
    }
}

#[test]
fn a_wrong_digest_is_refused_with_both_digests() {
    let folder = Folder::new();
    let bytes = model(2 * BLOCK);
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    folder.file("m", &flipped);
    let ask = expecting("m", sha256(&bytes));
    let refusal = verify::load(&folder.root(), &ask, &Control::new()).unwrap_err();
    assert_eq!(refusal.code, Code::DigestMismatch);
    assert_eq!(refusal.expected, Some(sha256(&bytes).to_string()));
    assert_eq!(refusal.actual, Some(sha256(&flipped).to_string()));
    assert_eq!(refusal.sha256, Some(sha256(&flipped)));
    assert_eq!(refusal.facts.unwrap().size, bytes.len() as u64);
    assert!(!refusal.retriable);
}

#[test]
fn the_digest_is_judged_before_the_format() {
    let folder = Folder::new();
    let root = folder.root();
    folder.file("m", b"not a model");
    let wrong = expecting("m", sha256(b"a model"));
    let refusal = verify::load(&root, &wrong, &Control::new()).unwrap_err();
    assert_eq!(refusal.code, Code::DigestMismatch);
    let right = expecting("m", sha256(b"not a model"));
    let refusal = verify::load(&root, &right, &Control::new()).unwrap_err();
    assert_eq!(refusal.code, Code::Gguf(gguf::Code::NotGguf));
}

#[test]
fn a_malformed_model_is_refused_with_the_parsers_words_and_its_digest() {
    let folder = Folder::new();
    let root = folder.root();
    let mut cut = model(2 * BLOCK);
    cut.truncate(BLOCK + 5);
    let mut version = model(200);
    version[4] = 9;
    let mut kind = model(200);
    kind.splice(kind_at()..kind_at() + 4, 77_u32.to_le_bytes());
    for bytes in [cut, version, kind, b"PK\x03\x04".to_vec(), Vec::new()] {
        folder.file("m", &bytes);
        let policy = gguf::Policy::default();
        let error = gguf::parse(&bytes, policy).unwrap_err();
        let refusal = load(&root, "m").unwrap_err();
        assert_eq!(refusal.code, Code::Gguf(error.code));
        assert_eq!(refusal.code.as_str(), error.code.as_str());
        assert_eq!((refusal.offset, refusal.field), (error.offset, error.field));
        assert_eq!(refusal.message, error.message);
        assert_eq!(refusal.sha256, Some(sha256(&bytes)));
        assert_eq!(refusal.facts.unwrap().size, bytes.len() as u64);
    }
}

/// Where the tensor's type lies: 24 of the preamble, the pair, the name, and 12 of the shape.
fn kind_at() -> usize {
    24 + (8 + 20 + 4 + 8 + 4) + (8 + 6) + 4 + 8
}

#[test]
fn the_policy_reaches_the_parser() {
    let folder = Folder::new();
    let mut bytes = model(200);
    // One byte of padding that is not zero breaks the format's text, but no engine.
    let padding = bytes.get_mut(127).unwrap();
    *padding = 1;
    folder.file("m", &bytes);
    let mut ask = ask("m");
    assert!(verify::load(&folder.root(), &ask, &Control::new()).is_ok());
    ask.policy.strict = true;
    let refusal = verify::load(&folder.root(), &ask, &Control::new()).unwrap_err();
    assert_eq!(refusal.code, Code::Gguf(gguf::Code::Nonconformant));
}

#[test]
fn a_file_that_is_too_large_is_refused_with_both_sizes() {
    let folder = Folder::new();
    folder.sparse_model("m", 1 << 40);
    let mut ask = ask("m");
    ask.bytes_max = (1 << 40) - 1;
    let refusal = verify::load(&folder.root(), &ask, &Control::new()).unwrap_err();
    assert_eq!(refusal.code, Code::TooLarge);
    assert_eq!(refusal.expected.as_deref(), Some("1099511627775"));
    assert_eq!(refusal.actual.as_deref(), Some("1099511627776"));
    assert_eq!(refusal.facts.unwrap().size, 1 << 40);
    assert_eq!(refusal.sha256, None);
    folder.file("m", &model(200));
    ask.bytes_max = 200;
    assert!(verify::load(&folder.root(), &ask, &Control::new()).is_ok());
}

#[test]
fn an_inspection_reads_the_header_alone() {
    let folder = Folder::new();
    folder.sparse_model("m", 1 << 40);
    let policy = gguf::Policy::default();
    let control = Control::new();
    let inspected = inspect(&folder.root(), b"m", policy, &control).unwrap();
    assert_eq!(inspected.facts.size, 1 << 40);
    assert_eq!(inspected.header.tensor_count(), 1);
    assert!(control.bytes_done() <= 64 << 10);
}

#[test]
fn an_inspection_refuses_as_a_load_does() {
    let folder = Folder::new();
    let root = folder.root();
    let policy = gguf::Policy::default();
    let look = |path: &[u8]| inspect(&root, path, policy, &Control::new());
    folder.file("short", header_of(1_000).get(..100).unwrap());
    folder.file("none", b"");
    folder.file("zip", b"PK\x03\x04");
    assert_eq!(code(look(b"short")), Code::Gguf(gguf::Code::Truncated));
    assert_eq!(code(look(b"zip")), Code::Gguf(gguf::Code::NotGguf));
    assert!(matches!(code(look(b"none")), Code::Gguf(_)));
    assert_eq!(code(look(b"../x")), Code::PathTraversal);
    assert_eq!(code(look(b".")), Code::NotRegularFile);
    let refusal = look(b"zip").unwrap_err();
    assert_eq!((refusal.sha256, refusal.facts.unwrap().size), (None, 4));
    let control = Control::new();
    control.cancel();
    assert_eq!(
        code(inspect(&root, b"zip", policy, &control)),
        Code::Aborted
    );
}

#[test]
fn a_header_longer_than_any_first_read_is_inspected() {
    let folder = Folder::new();
    let bytes = long_header(3 * BLOCK);
    folder.file("m", &bytes);
    let policy = gguf::Policy::default();
    let control = Control::new();
    let inspected = inspect(&folder.root(), b"m", policy, &control).unwrap();
    assert_eq!(inspected.header.metadata_count(), 2);
    assert!(control.bytes_done() > 3 << 20);
    assert!(load(&folder.root(), "m").is_ok());
}

/// A model without tensors whose second pair is an array of `length` bytes.
fn long_header(length: usize) -> Vec<u8> {
    let mut bytes = header_of(128);
    bytes.truncate(24 + 8 + 20 + 4 + 8 + 4);
    bytes.splice(8..16, 0_u64.to_le_bytes());
    bytes.splice(16..24, 2_u64.to_le_bytes());
    bytes.extend(8_u64.to_le_bytes());
    bytes.extend(b"test.pad");
    bytes.extend(9_u32.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend((length as u64).to_le_bytes());
    bytes.resize(bytes.len() + length, 7);
    bytes
}
