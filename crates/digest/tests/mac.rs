//! HMAC-SHA256 against answers that were published, and against its own definition.

use digest::{MacKey, Sha256};

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Sha256::new();
    for part in parts {
        state.update(part);
    }
    *state.finalize().as_bytes()
}

/// RFC 2104, word by word.
fn twin(key: [u8; 32], text: &[u8]) -> [u8; 32] {
    let padded = |with: u8| -> Vec<u8> {
        let zeros = std::iter::repeat_n(0, 32);
        key.into_iter()
            .chain(zeros)
            .map(|byte| byte ^ with)
            .collect()
    };
    let inner = sha256(&[&padded(0x36), text]);
    sha256(&[&padded(0x5c), &inner])
}

#[test]
fn tags_are_those_of_the_definition() {
    for length in [0, 1, 63, 64, 65, 160, 1000] {
        let text: Vec<u8> = (0..=250).cycle().take(length).collect();
        let key = [text.len().to_le_bytes()[0] ^ 0x5a; 32];
        assert_eq!(MacKey::from(key).tag(&text), twin(key, &text));
    }
}

#[test]
fn only_the_right_tag_of_the_right_text_under_the_right_key_verifies() {
    let key = MacKey::from([7; 32]);
    let tag = key.tag(b"text");
    assert!(key.verifies(b"text", &tag));
    assert!(!key.verifies(b"texts", &tag));
    assert!(!MacKey::from([8; 32]).verifies(b"text", &tag));
    assert!(!key.verifies(b"text", tag.get(..31).unwrap()));
    assert!(!key.verifies(b"text", &[]));
    for bit in 0..256 {
        let mut wrong = tag;
        *wrong.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
        assert!(!key.verifies(b"text", &wrong), "bit {bit}");
    }
}

#[test]
fn a_key_is_never_shown() {
    assert_eq!(format!("{:?}", MacKey::from([0x41; 32])), "MacKey");
}
