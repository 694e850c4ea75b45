//! The verified file, read once more: every tile that is read is first compared with its verified value.

use crate::{Code, VramError};
use digest::{Blake3Digest, TILE_BYTES};
use std::fs::File;
use std::ops::Range;
use verify::{Control, Tiles, Verified};

/// A verified file and its tile values. For one thread; another one makes another of these.
pub(crate) struct VerifiedFile<'a> {
    file: &'a File,
    tiles: &'a Tiles,
    /// The tile that was read last: neighbours share one.
    last: Option<(u64, Vec<u8>)>,
}

impl<'a> VerifiedFile<'a> {
    pub(crate) fn new(file: &'a File, tiles: &'a Tiles) -> Self {
        Self {
            file,
            tiles,
            last: None,
        }
    }

    /// The BLAKE3 digest of some of the file's bytes, as of a file of their own.
    pub(crate) fn digest(
        &mut self,
        range: &Range<u64>,
        control: &Control,
    ) -> Result<Blake3Digest, VramError> {
        let mut hasher = blake3::Hasher::new();
        let mut index = range.start / TILE_BYTES;
        while index * TILE_BYTES < range.end {
            if control.is_cancelled() {
                let message = "the check was cancelled while the file was read";
                return Err(VramError::new(Code::Aborted, message));
            }
            let start = index * TILE_BYTES;
            let tile = self.tile(index)?;
            let from = index_of(range.start.saturating_sub(start));
            let to = index_of(range.end - start).min(tile.len());
            hasher.update(tile.get(from..to).unwrap_or_default());
            index += 1;
        }
        Ok((*hasher.finalize().as_bytes()).into())
    }

    fn tile(&mut self, index: u64) -> Result<&[u8], VramError> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != index) {
            let bytes = self.read(index)?;
            self.last = Some((index, bytes));
        }
        let last = self.last.as_ref();
        Ok(last.map_or(&[], |(_, bytes)| bytes.as_slice()))
    }

    fn read(&self, index: u64) -> Result<Vec<u8>, VramError> {
        let tiling = self.tiles.tiling();
        let (range, expected) = tiling
            .range(index)
            .zip(self.tiles.values().get(index_of(index)))
            .ok_or_else(changed)?;
        let mut bytes = vec![0; index_of(range.end - range.start)];
        read_exact_at(self.file, &mut bytes, range.start).map_err(|error| VramError {
            message: format!("the verified file cannot be read any more: {error}"),
            ..changed()
        })?;
        match tiling.value(index, &bytes) {
            Ok(value) if value == *expected => Ok(bytes),
            _ => Err(changed()),
        }
    }
}

/// An open file of its own on the same inode.
#[cfg(unix)]
pub(crate) fn file_of(verified: &Verified) -> Result<File, VramError> {
    use std::os::fd::AsFd;
    let owned = verified.as_fd().try_clone_to_owned();
    owned.map(File::from).map_err(|error| {
        VramError::new(
            Code::Internal,
            format!("no descriptor for the verified file: {error}"),
        )
    })
}

#[cfg(not(unix))]
pub(crate) fn file_of(_: &Verified) -> Result<File, VramError> {
    let message = "the verified file cannot be read again on this platform";
    Err(VramError::new(Code::Internal, message))
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn read_exact_at(_: &File, _: &mut [u8], _: u64) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

fn changed() -> VramError {
    let message = "the file was changed after it was verified: load it again";
    VramError::new(Code::FileChanged, message)
}

/// An offset inside of one tile, or a number of tiles that a list of them has: no more than memory holds.
fn index_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
