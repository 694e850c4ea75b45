//! A portable build computes nothing with the CPU's own instructions, and says so: `scripts/build.mjs --portable`.

#![cfg(feature = "portable")]

use digest::{Lanes, blake3_implementation, self_test, sha256_implementation};

#[test]
fn says_so() {
    assert_eq!(sha256_implementation(), "portable");
    assert_eq!(blake3_implementation(), "portable");
    assert_eq!(Lanes::detect(), Lanes::one_by_one());
    assert_eq!(Lanes::detect().implementation(), "one by one");
}

#[test]
fn gives_the_known_answers() {
    assert_eq!(self_test(), Ok(()));
}
