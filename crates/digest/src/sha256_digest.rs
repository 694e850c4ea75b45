//! A SHA-256 digest, and the only way from text to one.

use std::fmt;
use std::str::FromStr;

const DIGEST_BYTES: usize = 32;
const HEX_DIGITS: usize = DIGEST_BYTES * 2;

/// A SHA-256 digest. Shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256Digest([u8; DIGEST_BYTES]);

impl Sha256Digest {
    /// Reads exactly 64 hexadecimal digits, upper or lower case, with nothing around them.
    pub fn from_hex(text: &str) -> Result<Self, BadDigest> {
        let digits = text.as_bytes();
        if digits.len() != HEX_DIGITS {
            return Err(BadDigest::Length(digits.len()));
        }
        let mut bytes = [0; DIGEST_BYTES];
        for (position, (byte, pair)) in bytes.iter_mut().zip(digits.chunks_exact(2)).enumerate() {
            *byte = byte_of(pair, position * 2)?;
        }
        Ok(Self(bytes))
    }

    /// The digest's 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; DIGEST_BYTES] {
        &self.0
    }
}

impl From<[u8; DIGEST_BYTES]> for Sha256Digest {
    fn from(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Sha256Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        Self::from_hex(text)
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

/// The byte that two hexadecimal digits stand for; `position` is the first digit's.
fn byte_of(pair: &[u8], position: usize) -> Result<u8, BadDigest> {
    let mut byte = 0;
    for (step, &digit) in pair.iter().enumerate() {
        byte = byte << 4 | nibble(digit).ok_or(BadDigest::Digit(position + step))?;
    }
    Ok(byte)
}

fn nibble(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Why a text is not a SHA-256 digest. Never repeats the text: it may be hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadDigest {
    /// The text is not 64 bytes long but this many.
    Length(usize),
    /// The character at this position, counted from 0, is not a hexadecimal digit.
    Digit(usize),
}

impl fmt::Display for BadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(found) => write!(
                f,
                "a SHA-256 digest is {HEX_DIGITS} hexadecimal digits, not {found} bytes"
            ),
            Self::Digit(position) => write!(
                f,
                "a SHA-256 digest is {HEX_DIGITS} hexadecimal digits; the character at position {position} is not one"
            ),
        }
    }
}

impl std::error::Error for BadDigest {}
