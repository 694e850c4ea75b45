//! One message among several: its state between blocks and the bytes that do not fill one yet.

use super::constants::INITIAL;
use super::{BLOCK_BYTES, Block, State, one};
use crate::Sha256Digest;

/// A SHA-256 computation that advances together with others: see [`Lanes::update`].
#[derive(Clone, Debug)]
pub struct Sha256Stream {
    pub(super) state: State,
    partial: Block,
    filled: usize,
    bytes: u64,
}

impl Default for Sha256Stream {
    fn default() -> Self {
        Self {
            state: INITIAL,
            partial: [0; BLOCK_BYTES],
            filled: 0,
            bytes: 0,
        }
    }
}

impl Sha256Stream {
    /// Starts with no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes, on its own.
    pub fn update(&mut self, bytes: &[u8]) {
        let (first, blocks) = self.blocks(bytes);
        for some in [first.as_slice(), blocks] {
            one(&mut self.state, some);
        }
    }

    /// The digest of all bytes taken.
    pub fn finalize(mut self) -> Sha256Digest {
        let last = self.last_blocks();
        one(&mut self.state, last.blocks());
        self.digest()
    }

    /// What is left to take: the bytes that do not fill a block, and the padding.
    pub(super) fn last_blocks(&self) -> LastBlocks {
        let bits = self.bytes.wrapping_mul(8).to_be_bytes();
        let count = (self.filled + 1 + bits.len()).div_ceil(BLOCK_BYTES);
        let mut last = LastBlocks {
            both: [[0; BLOCK_BYTES]; 2],
            count,
        };
        let message = self.partial.get(..self.filled).unwrap_or_default();
        let padded = last.both.get_mut(..count).unwrap_or_default();
        let padded = padded.as_flattened_mut();
        if let Some((room, [one, ..])) = padded.split_at_mut_checked(message.len()) {
            room.copy_from_slice(message);
            *one = 0x80;
        }
        if let Some(end) = padded.last_chunk_mut() {
            *end = bits;
        }
        last
    }

    /// The digest once the last blocks are taken.
    pub(super) fn digest(&self) -> Sha256Digest {
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        digest.into()
    }

    /// Takes what makes the partial block whole, and gives the whole blocks behind it.
    pub(super) fn blocks<'a>(&mut self, bytes: &'a [u8]) -> (Option<Block>, &'a [Block]) {
        self.bytes = self.bytes.wrapping_add(bytes.len() as u64);
        let (first, rest) = if self.filled == 0 {
            (None, bytes)
        } else {
            self.fill(bytes)
        };
        let (blocks, tail) = rest.as_chunks();
        self.fill(tail);
        (first, blocks)
    }

    /// The partial block once it is whole, and the bytes that it did not need.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> (Option<Block>, &'a [u8]) {
        let room = self.partial.get_mut(self.filled..).unwrap_or_default();
        let (head, rest) = bytes.split_at(bytes.len().min(room.len()));
        if let Some(room) = room.get_mut(..head.len()) {
            room.copy_from_slice(head);
        }
        self.filled += head.len();
        if self.filled < BLOCK_BYTES {
            return (None, rest);
        }
        self.filled = 0;
        (Some(self.partial), rest)
    }
}

/// The padded end of a message: one block, or two where the padding does not fit into the first.
pub(super) struct LastBlocks {
    both: [Block; 2],
    count: usize,
}

impl LastBlocks {
    pub(super) fn blocks(&self) -> &[Block] {
        self.both.get(..self.count).unwrap_or_default()
    }
}
