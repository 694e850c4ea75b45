//! A digest from text: what is refused, where, and what is taken.

use digest::{BadDigest, Sha256Digest};
use proptest::prelude::*;

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn refuses_what_is_not_64_hexadecimal_digits() {
    let rows = [
        (String::new(), BadDigest::Length(0)),
        (ABC[1..].to_owned(), BadDigest::Length(63)),
        (format!("{ABC}0"), BadDigest::Length(65)),
        (format!("sha256:{ABC}"), BadDigest::Length(71)),
        (format!("{ABC}\n"), BadDigest::Length(65)),
        (format!("0x{}", &ABC[2..]), BadDigest::Digit(1)),
        (format!(" {}", &ABC[1..]), BadDigest::Digit(0)),
        (format!("{} ", &ABC[1..]), BadDigest::Digit(63)),
        (format!("+{}", &ABC[1..]), BadDigest::Digit(0)),
        (
            format!("{}g{}", &ABC[..31], &ABC[32..]),
            BadDigest::Digit(31),
        ),
        // 64 bytes, but not 64 digits: the position is the first foreign byte's.
        (format!("{}é", &ABC[2..]), BadDigest::Digit(62)),
        // 64 characters, more bytes.
        (format!("{}é", &ABC[1..]), BadDigest::Length(65)),
        (format!("{}\0", &ABC[1..]), BadDigest::Digit(63)),
    ];
    for (text, reason) in rows {
        assert_eq!(Sha256Digest::from_hex(&text), Err(reason), "{text:?}");
    }
}

#[test]
fn the_reason_is_a_sentence_without_the_text() {
    assert_eq!(
        BadDigest::Length(63).to_string(),
        "a SHA-256 digest is 64 hexadecimal digits, not 63 bytes"
    );
    assert_eq!(
        BadDigest::Digit(7).to_string(),
        "a SHA-256 digest is 64 hexadecimal digits; the character at position 7 is not one"
    );
}

#[test]
fn takes_either_case_and_shows_lower_case() {
    let digest: Sha256Digest = ABC.to_uppercase().parse().unwrap();
    assert_eq!(digest, Sha256Digest::from_hex(ABC).unwrap());
    assert_eq!(digest.to_string(), ABC);
    assert_eq!(format!("{digest:?}"), format!("Sha256Digest({ABC})"));
}

proptest! {
    #[test]
    fn every_digest_survives_its_text(bytes in any::<[u8; 32]>()) {
        let digest = Sha256Digest::from(bytes);
        prop_assert_eq!(Sha256Digest::from_hex(&digest.to_string()), Ok(digest));
        prop_assert_eq!(digest.as_bytes(), &bytes);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        prop_assert!(Sha256Digest::from_hex(&text).is_err());
    }
}
