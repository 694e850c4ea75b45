//! Verified random access: bytes out of a file that was verified, each tile of them checked anew on its way.

use crate::checked::read_tile;
use crate::reader::Source;
use crate::ring::Failure;
use crate::{Code, Control, Refusal, Tiles};
use std::ops::Range;

/// Copies `range` out of the file. Whatever became of the file, the copy holds the verified bytes or is refused.
pub(crate) fn read<S: Source>(
    source: &S,
    tiles: &Tiles,
    range: Range<u64>,
    control: &Control,
) -> Result<Vec<u8>, Refusal> {
    let wanted = checked_length(tiles, &range).ok_or_else(Refusal::internal)?;
    let mut window = Vec::new();
    window
        .try_reserve_exact(wanted)
        .map_err(|_| no_memory(wanted))?;
    let mut scratch = vec![0; usize::try_from(digest::TILE_BYTES).unwrap_or(0)];
    control.start(wanted as u64);
    while window.len() < wanted {
        if control.is_cancelled() {
            return Err(aborted());
        }
        let at = range.start + window.len() as u64;
        let part = one_tile(source, tiles, at, range.end, &mut scratch)?;
        window.extend_from_slice(part);
        control.advance(part.len());
    }
    Ok(window)
}

/// The part of the tile around `at` that lies from `at` to `end`.
fn one_tile<'scratch, S: Source>(
    source: &S,
    tiles: &Tiles,
    at: u64,
    end: u64,
    scratch: &'scratch mut [u8],
) -> Result<&'scratch [u8], Refusal> {
    let tile = tiles
        .tiling()
        .range(at / digest::TILE_BYTES)
        .ok_or_else(Refusal::internal)?;
    let index_of = |offset: u64| usize::try_from(offset - tile.start).unwrap_or(usize::MAX);
    let space = scratch
        .get_mut(..index_of(tile.end))
        .ok_or_else(Refusal::internal)?;
    read_tile(source, tiles, space, tile.start).map_err(changed)?;
    let part = space.get(index_of(at)..index_of(end.min(tile.end)));
    part.filter(|part| !part.is_empty())
        .ok_or_else(Refusal::internal)
}

fn checked_length(tiles: &Tiles, range: &Range<u64>) -> Option<usize> {
    if range.end > tiles.tiling().bytes_total() {
        return None;
    }
    usize::try_from(range.end.checked_sub(range.start)?).ok()
}

/// An end before the verified size is a change too.
fn changed(failure: Failure) -> Refusal {
    match failure {
        Failure::WrongTile { offset } | Failure::Short { offset } => Refusal {
            offset: Some(offset),
            ..Refusal::new(
                Code::ChangedAfterCheck,
                "the file was changed after it was verified; the bytes from here on are not handed out, load the model again",
            )
        },
        other => other.into(),
    }
}

fn no_memory(bytes: usize) -> Refusal {
    Refusal {
        retriable: true,
        ..Refusal::new(
            Code::Io,
            format!("there is no memory for {bytes} bytes; read less at a time, or stream"),
        )
    }
}

fn aborted() -> Refusal {
    Refusal::new(Code::Aborted, "the reading was cancelled")
}

#[cfg(test)]
mod tests;
