//! Bytes that repeat nowhere, and are the same each time.

use blake3::{Hasher, OutputReader};

pub(crate) struct Random(OutputReader);

impl Random {
    pub(crate) fn from(seed: u64) -> Self {
        Self(Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % limit
    }

    pub(crate) fn bytes(&mut self, count: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(count).unwrap()];
        self.0.fill(&mut bytes);
        bytes
    }
}
