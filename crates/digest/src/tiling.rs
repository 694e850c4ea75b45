//! BLAKE3 in tiles: a file's digest from values that can be computed in any order.
//!
//! BLAKE3 is a tree over chunks of 1 KiB. A tile is a whole subtree of 256 chunks, and its value is
//! that subtree's chaining value; the tiles' values alone give the root, which is what `b3sum` says
//! of the file. Whoever knows the values can check any tile without reading the others.

use crate::Blake3Digest;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};
use std::fmt;
use std::ops::Range;

/// Bytes of a tile: 256 chunks. Large enough for the widest vectors, small enough for a cache, and
/// the values of a file take 1/8192 of its size.
pub const TILE_BYTES: u64 = 256 * 1024;

/// The value of one tile, 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileValue(ChainingValue);

impl TileValue {
    /// The value's 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for TileValue {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// How the bytes of a file lie in tiles: every tile is full but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    bytes_total: u64,
}

impl Tiling {
    /// The tiling of a file of so many bytes.
    pub const fn of(bytes_total: u64) -> Self {
        Self { bytes_total }
    }

    /// The file's size, in bytes.
    pub const fn bytes_total(self) -> u64 {
        self.bytes_total
    }

    /// The number of tiles; an empty file has one, which is empty.
    pub const fn tiles(self) -> u64 {
        if self.bytes_total == 0 {
            1
        } else {
            self.bytes_total.div_ceil(TILE_BYTES)
        }
    }

    /// Where tile `index` lies in the file, in bytes; nothing behind the last one.
    pub fn range(self, index: u64) -> Option<Range<u64>> {
        if index >= self.tiles() {
            return None;
        }
        let start = index * TILE_BYTES;
        Some(start..self.bytes_total.min(start.saturating_add(TILE_BYTES)))
    }

    /// The value of tile `index`, whose bytes are `bytes`.
    pub fn value(self, index: u64, bytes: &[u8]) -> Result<TileValue, TilingError> {
        self.value_by(index, bytes, Keying::Plain)
    }

    /// The value of tile `index` in BLAKE3's keyed mode, whose bytes are `bytes`.
    pub fn keyed_value(
        self,
        index: u64,
        bytes: &[u8],
        key: &[u8; 32],
    ) -> Result<TileValue, TilingError> {
        self.value_by(index, bytes, Keying::Keyed(key))
    }

    fn value_by(
        self,
        index: u64,
        bytes: &[u8],
        keying: Keying<'_>,
    ) -> Result<TileValue, TilingError> {
        let range = self.range(index).ok_or(TilingError::NoSuchTile { index })?;
        if bytes.len() as u64 != range.end - range.start {
            return Err(TilingError::TileLength {
                index,
                bytes: bytes.len(),
            });
        }
        let mut hasher = keying.hasher();
        if self.tiles() == 1 {
            // The only tile is the root itself, and a root is finished in its own way.
            return Ok(TileValue(*hasher.update(bytes).finalize().as_bytes()));
        }
        hasher.set_input_offset(range.start).update(bytes);
        Ok(TileValue(hasher.finalize_non_root()))
    }

    /// The digest of the file with these tiles, given in order.
    pub fn root(self, values: &[TileValue]) -> Result<Blake3Digest, TilingError> {
        self.root_by(values, Keying::Plain)
    }

    /// The keyed digest of the file whose tiles have these keyed values, given in order.
    pub fn keyed_root(
        self,
        values: &[TileValue],
        key: &[u8; 32],
    ) -> Result<Blake3Digest, TilingError> {
        self.root_by(values, Keying::Keyed(key))
    }

    fn root_by(
        self,
        values: &[TileValue],
        keying: Keying<'_>,
    ) -> Result<Blake3Digest, TilingError> {
        if values.len() as u64 != self.tiles() {
            return Err(TilingError::TileCount {
                values: values.len(),
                tiles: self.tiles(),
            });
        }
        Ok(fold(values, keying.mode()))
    }
}

/// Which of BLAKE3's modes. A plain value is what `b3sum` says; a keyed one only its key's owners know.
#[derive(Clone, Copy)]
enum Keying<'key> {
    Plain,
    Keyed(&'key [u8; 32]),
}

impl<'key> Keying<'key> {
    fn hasher(self) -> blake3::Hasher {
        match self {
            Self::Plain => blake3::Hasher::new(),
            Self::Keyed(key) => blake3::Hasher::new_keyed(key),
        }
    }

    fn mode(self) -> Mode<'key> {
        match self {
            Self::Plain => Mode::Hash,
            Self::Keyed(key) => Mode::KeyedHash(key),
        }
    }
}

/// Full subtrees lie on a stack, the largest first: as many as `count` of tiles has bits. Merging is
/// put off until the next tile comes, because the last merge of all is the root's.
fn fold(values: &[TileValue], mode: Mode<'_>) -> Blake3Digest {
    let mut stack: Vec<ChainingValue> = Vec::with_capacity(64);
    for (count, TileValue(value)) in values.iter().enumerate() {
        for _ in 0..if count == 0 {
            0
        } else {
            count.trailing_zeros()
        } {
            merge_last_two(&mut stack, mode);
        }
        stack.push(*value);
    }
    while stack.len() > 2 {
        merge_last_two(&mut stack, mode);
    }
    match (stack.pop(), stack.pop()) {
        (Some(right), Some(left)) => (*merge_subtrees_root(&left, &right, mode).as_bytes()).into(),
        // The only tile's value is the root already; no tile at all was refused before.
        (only, _) => only.unwrap_or_default().into(),
    }
}

fn merge_last_two(stack: &mut Vec<ChainingValue>, mode: Mode<'_>) {
    if let (Some(right), Some(left)) = (stack.pop(), stack.pop()) {
        stack.push(merge_subtrees_non_root(&left, &right, mode));
    }
}

/// What does not fit the file's tiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TilingError {
    /// The file has no tile of this number.
    NoSuchTile {
        /// The number, counted from 0.
        index: u64,
    },
    /// The bytes are not as many as the tile has.
    TileLength {
        /// The tile's number.
        index: u64,
        /// How many bytes came.
        bytes: usize,
    },
    /// The values are not as many as the file has tiles.
    TileCount {
        /// How many values came.
        values: usize,
        /// How many tiles there are.
        tiles: u64,
    },
}

impl fmt::Display for TilingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchTile { index } => write!(f, "the file has no tile {index}"),
            Self::TileLength { index, bytes } => {
                write!(f, "tile {index} does not have {bytes} bytes")
            }
            Self::TileCount { values, tiles } => {
                write!(f, "the file has {tiles} tiles, not {values}")
            }
        }
    }
}

impl std::error::Error for TilingError {}
