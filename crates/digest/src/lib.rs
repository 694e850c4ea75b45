//! Digests of model bytes: one SHA-256 stream, the digest's own type, and the name of the
//! instructions that compute it on this machine.

#![forbid(unsafe_code)]

mod blake3_digest;
mod sha256;
mod sha256_digest;
mod tiling;

pub use blake3_digest::Blake3Digest;
pub use sha256::{Sha256, sha256_implementation};
pub use sha256_digest::{BadDigest, Sha256Digest};
pub use tiling::{TILE_BYTES, TileValue, Tiling, TilingError};
