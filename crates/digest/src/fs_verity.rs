//! A file's fs-verity digest, as the kernel would measure it: SHA-256, blocks of 4 KiB, no salt.
//!
//! A Merkle tree over the file's blocks, 128 hashes to a node, whose root stands in a descriptor;
//! the digest is the descriptor's. The blocks are independent messages, so they are hashed several
//! at once. It can be had neither from the file's SHA-256 nor the reverse: both come from one reading.

use crate::{Lanes, Sha256, Sha256Digest};

/// Bytes of a block, of the file and of the tree alike.
const BLOCK_BYTES: usize = 4096;

/// Binary logarithm of [`BLOCK_BYTES`], as the descriptor has it.
const BLOCK_BYTES_LOG: u8 = 12;

/// Bytes of a hash in the tree.
const HASH_BYTES: usize = 32;

/// Blocks that are hashed in one go: enough for the widest lanes, and no more than a cache holds.
const BLOCKS_AT_ONCE: usize = 64;

/// Bytes of the descriptor that the digest is taken of.
const DESCRIPTOR_BYTES: usize = 256;

/// fs-verity's name for SHA-256.
const SHA256: u8 = 1;

/// An fs-verity computation over bytes that arrive in pieces of any size.
#[derive(Clone, Debug)]
pub struct FsVerity {
    lanes: Lanes,
    bytes_total: u64,
    /// The beginning of a block whose rest has not come yet.
    cut: Vec<u8>,
    /// The node of each level that is not full yet, from the file's blocks up.
    nodes: Vec<Vec<u8>>,
}

impl Default for FsVerity {
    fn default() -> Self {
        Self::new()
    }
}

impl FsVerity {
    /// Starts with no bytes, on the fastest instructions there are.
    pub fn new() -> Self {
        Self::on(Lanes::detect())
    }

    /// Starts with no bytes, on these instructions.
    pub fn on(lanes: Lanes) -> Self {
        Self {
            lanes,
            bytes_total: 0,
            cut: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.bytes_total += bytes.len() as u64;
        let rest = self.complete(bytes);
        let (blocks, cut) = rest.as_chunks::<BLOCK_BYTES>();
        for blocks in blocks.chunks(BLOCKS_AT_ONCE) {
            let messages: Vec<&[u8]> = blocks.iter().map(<[u8; BLOCK_BYTES]>::as_slice).collect();
            for hash in self.lanes.digests(&messages) {
                self.add(0, hash);
            }
        }
        self.cut.extend_from_slice(cut);
    }

    /// The digest of all bytes taken.
    pub fn finalize(mut self) -> Sha256Digest {
        if !self.cut.is_empty() {
            let block = std::mem::take(&mut self.cut);
            self.add(0, hash_of(block));
        }
        let mut descriptor = [0; DESCRIPTOR_BYTES];
        let bytes_total = self.bytes_total.to_le_bytes();
        put(&mut descriptor, 0, &[1, SHA256, BLOCK_BYTES_LOG]);
        put(&mut descriptor, 8, &bytes_total);
        put(&mut descriptor, 16, &self.root());
        let mut sha256 = Sha256::new();
        sha256.update(&descriptor);
        sha256.finalize()
    }

    /// Takes what the block that was begun still needs, and returns what is left.
    fn complete<'bytes>(&mut self, bytes: &'bytes [u8]) -> &'bytes [u8] {
        if self.cut.is_empty() {
            return bytes;
        }
        let missing = BLOCK_BYTES - self.cut.len();
        let (now, rest) = bytes.split_at(missing.min(bytes.len()));
        self.cut.extend_from_slice(now);
        if self.cut.len() == BLOCK_BYTES {
            let block = std::mem::take(&mut self.cut);
            self.add(0, hash_of(block));
        }
        rest
    }

    /// A full node is hashed into the level above.
    fn add(&mut self, level: usize, hash: Sha256Digest) {
        let node = self.node(level);
        node.extend_from_slice(hash.as_bytes());
        if node.len() == BLOCK_BYTES {
            let node = std::mem::take(node);
            self.add(level + 1, hash_of(node));
        }
    }

    fn node(&mut self, level: usize) -> &mut Vec<u8> {
        if level == self.nodes.len() {
            self.nodes.push(Vec::with_capacity(BLOCK_BYTES));
        }
        // Levels are made one by one, from the bottom.
        #[allow(clippy::indexing_slicing, reason = "made right here")]
        &mut self.nodes[level]
    }

    /// The one hash of the level that has but one; of no bytes at all it is zero.
    fn root(mut self) -> Vec<u8> {
        let mut level = 0;
        while level < self.nodes.len() {
            let is_top = level + 1 == self.nodes.len();
            let node = std::mem::take(self.node(level));
            if is_top && node.len() == HASH_BYTES {
                return node;
            }
            if !node.is_empty() {
                self.add(level + 1, hash_of(node));
            }
            level += 1;
        }
        vec![0; HASH_BYTES]
    }
}

/// Of a block or node that is filled up with zeros.
fn hash_of(mut block: Vec<u8>) -> Sha256Digest {
    block.resize(BLOCK_BYTES, 0);
    let mut sha256 = Sha256::new();
    sha256.update(&block);
    sha256.finalize()
}

fn put(descriptor: &mut [u8; DESCRIPTOR_BYTES], offset: usize, bytes: &[u8]) {
    let space = descriptor.iter_mut().skip(offset);
    space.zip(bytes).for_each(|(space, byte)| *space = *byte);
}
