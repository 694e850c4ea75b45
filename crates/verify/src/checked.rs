//! A source whose every tile is compared with a known value right after it was read, on the thread that
//! read it: what comes out of it is verified in any order and on as many threads as read.

use crate::reader::{Source, read_exact_at};
use crate::ring::Failure;
use crate::{FileFacts, Tiles, platform};
use digest::{TILE_BYTES, Tiling};
use std::io;
use std::sync::Arc;

const TILE: usize = 256 * 1024;
const _: () = assert!(TILE as u64 == TILE_BYTES);

pub(crate) struct Checked<S> {
    pub(crate) source: Arc<S>,
    pub(crate) tiles: Tiles,
}

impl<S: Source> Source for Checked<S> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.source.read_at(buffer, offset)
    }

    /// Tile by tile: each is hashed while it is still in the cache that it was read into.
    fn fill(&self, space: &mut [u8], offset: u64) -> Result<(), Failure> {
        for (tile, offset) in space.chunks_mut(TILE).zip((offset..).step_by(TILE)) {
            read_tile(&*self.source, &self.tiles, tile, offset)?;
        }
        Ok(())
    }

    fn facts(&self) -> Result<FileFacts, platform::Fault> {
        self.source.facts()
    }

    fn advise_sequential(&self) {
        self.source.advise_sequential();
    }
}

/// Reads the tile that begins at `offset`; `space` is as long as the tile. An error leaves `space` as it is:
/// nobody may look at it then.
pub(crate) fn read_tile<S: Source>(
    source: &S,
    tiles: &Tiles,
    space: &mut [u8],
    offset: u64,
) -> Result<(), Failure> {
    read_exact_at(source, space, offset)?;
    let index = offset / TILE_BYTES;
    let known = usize::try_from(index)
        .ok()
        .and_then(|at| tiles.values().get(at));
    let found = value_of(tiles.tiling(), index, space);
    if known.is_some() && known == found.as_ref() {
        Ok(())
    } else {
        Err(Failure::WrongTile { offset })
    }
}

fn value_of(tiling: Tiling, index: u64, tile: &[u8]) -> Option<digest::TileValue> {
    tiling.value(index, tile).ok()
}
