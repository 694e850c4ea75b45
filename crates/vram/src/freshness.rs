//! L4, freshness: whether an answer can be an old one.

use digest::TileValue;

/// By what an answer is shown to be a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreshnessMethod {
    /// It is not.
    #[default]
    None,
    /// The tile values were computed anew, and the response is their MAC under the nonce.
    FreshMac,
    /// The keyed digest of all bytes under a nonce whose answer was computed at the seal.
    Book,
    /// Keyed digests of random tiles, compared with the same tiles of the verified file.
    Sampled,
}

impl FreshnessMethod {
    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FreshMac => "fresh-mac",
            Self::Book => "book",
            Self::Sampled => "sampled",
        }
    }
}

/// What was asked, and what was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// By what it is shown.
    pub method: FreshnessMethod,
    /// The nonce.
    pub nonce: Option<[u8; 32]>,
    /// The answer to it.
    pub response: Option<[u8; 32]>,
    /// The answer that the book has, where whoever asks gave it.
    pub expected: Option<[u8; 32]>,
}

/// The answer of a model's files to a nonce: that of the only one; of several BLAKE3, keyed by the nonce, of their own
/// answers in order.
pub fn response_of(nonce: &[u8; 32], answers: &[[u8; 32]]) -> [u8; 32] {
    match answers {
        [only] => *only,
        several => *blake3::keyed_hash(nonce, several.as_flattened()).as_bytes(),
    }
}

/// The answer to a fresh challenge: BLAKE3, keyed by the nonce, over all tile values in order. Who holds the
/// values computes it without the model.
pub struct FreshMac(blake3::Hasher);

impl FreshMac {
    /// Of no values yet.
    pub fn new(nonce: &[u8; 32]) -> Self {
        Self(blake3::Hasher::new_keyed(nonce))
    }

    /// The next value.
    pub fn add(&mut self, value: &TileValue) {
        self.0.update(value.as_bytes());
    }

    /// The answer.
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}
