//! Digests of model bytes: one SHA-256 stream, several at once on one core, BLAKE3 in tiles,
//! the digest that fs-verity measures; the Merkle tree hashes of the audit trail; and the names of
//! the instructions that compute them on this machine.

#![deny(unsafe_code)]

mod blake3_digest;
mod fs_verity;
mod lanes;
mod mac;
mod merkle;
mod self_test;
mod sha256;
mod sha256_digest;
mod tiling;

pub use blake3_digest::{Blake3Digest, blake3_implementation};
pub use fs_verity::FsVerity;
pub use lanes::{Lanes, Sha256Stream};
pub use mac::{MAC_BYTES, MacKey};
pub use merkle::{HASH_BYTES, HASH_DIGITS, MerkleError, fold, leaf_hash, link_lines};
pub use self_test::{WrongDigest, self_test};
pub use sha256::{Sha256, sha256_implementation};
pub use sha256_digest::{BadDigest, Sha256Digest};
pub use tiling::{TILE_BYTES, TileValue, Tiling, TilingError};
