//! Many streams at once against one after the other, and against NIST.

#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

use digest::{Lanes, Sha256, Sha256Digest, Sha256Stream};
use proptest::prelude::*;

fn single(message: &[u8]) -> Sha256Digest {
    let mut sha256 = Sha256::new();
    sha256.update(message);
    sha256.finalize()
}

fn text(len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

#[test]
fn nist_answers_in_every_seat() {
    for lanes in [Lanes::detect(), Lanes::one_by_one()] {
        for count in 1..=33 {
            let digests = lanes.digests(&vec![&b"abc"[..]; count]);
            let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
            assert!(
                digests.iter().all(|digest| digest.to_string() == abc),
                "{lanes:?}, {count} streams"
            );
        }
    }
}

#[test]
fn every_length_about_a_block_for_every_width() {
    let text = text(1024);
    for count in [1, 2, 3, 4, 5, 7, 8, 10, 11, 15, 16, 17, 32, 33] {
        for len in [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 512] {
            let messages: Vec<&[u8]> = (0..count).map(|i| &text[i..i + len]).collect();
            let expected: Vec<_> = messages.iter().map(|message| single(message)).collect();
            assert_eq!(
                Lanes::detect().digests(&messages),
                expected,
                "{count} streams of {len} bytes"
            );
        }
    }
}

#[test]
fn lengths_far_apart() {
    let text = text(300_000);
    let messages: Vec<&[u8]> = (0..19).map(|i| &text[..i * i * 800]).collect();
    let expected: Vec<_> = messages.iter().map(|message| single(message)).collect();
    assert_eq!(Lanes::detect().digests(&messages), expected);
}

proptest! {
    #[test]
    fn pieces_of_any_size_make_the_same_digests(
        pieces in prop::collection::vec(prop::collection::vec(0..300_usize, 1..20), 1..20),
    ) {
        let text = text(300);
        let count = pieces.iter().map(Vec::len).max().unwrap();
        let mut streams = vec![Sha256Stream::new(); count];
        let mut whole = vec![Vec::new(); count];
        for lengths in &pieces {
            let bytes: Vec<&[u8]> = lengths.iter().map(|&len| &text[..len]).collect();
            let mut each: Vec<&mut Sha256Stream> = streams.iter_mut().collect();
            Lanes::detect().update(&mut each, &bytes);
            for (whole, bytes) in whole.iter_mut().zip(&bytes) {
                whole.extend_from_slice(bytes);
            }
        }
        for (stream, whole) in streams.into_iter().zip(&whole) {
            prop_assert_eq!(stream.finalize(), single(whole));
        }
    }
}

#[test]
fn the_report_says_what_runs() {
    assert_eq!(Lanes::one_by_one().implementation(), "one by one");
    #[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
    assert_eq!(
        Lanes::detect().implementation().contains("SHA-NI"),
        std::is_x86_feature_detected!("sha")
    );
    #[cfg(all(target_arch = "aarch64", not(feature = "portable")))]
    assert_eq!(
        Lanes::detect().implementation() == "ARMv8 SHA2 x4",
        std::arch::is_aarch64_feature_detected!("sha2")
    );
}
