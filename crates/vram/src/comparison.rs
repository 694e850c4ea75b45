//! Comparing tiles on the device with those of the file, slice by slice.

use crate::tensors::TensorMap;
use crate::timing::as_f64;
use crate::{BadTile, Clock, Code, Content, HashJob, Memory, VramError};
use digest::{Blake3Digest, TileValue, Tiling};

/// Tiles that are hashed at once, 1 GiB: a display's watchdog waits longer, and a cancel no longer.
pub(crate) const SLICE_TILES: u64 = 4096;

/// Bad tiles that are named; the rest is counted.
const NAMED_MAX: usize = 64;

/// What the tiles must be.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) tiling: Tiling,
    pub(crate) values: &'a [TileValue],
    pub(crate) root: Blake3Digest,
    pub(crate) tensors: &'a TensorMap,
}

/// What the tiles are, so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compared {
    pub(crate) content: Content,
    pub(crate) wall_seconds: f64,
    pub(crate) device_seconds: Option<f64>,
}

/// One tour over tiles.
pub(crate) struct Comparison<'a> {
    expected: Expected<'a>,
    clock: &'a dyn Clock,
    found: Compared,
    /// The MAC over all values that were found, under a nonce.
    mac: Option<blake3::Hasher>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(expected: Expected<'a>, clock: &'a dyn Clock) -> Self {
        Self {
            expected,
            clock,
            found: Compared {
                content: Content {
                    bytes_total: expected.tiling.bytes_total(),
                    ..Content::default()
                },
                device_seconds: Some(0.0),
                ..Compared::default()
            },
            mac: None,
        }
    }

    pub(crate) fn under(mut self, nonce: &[u8; 32]) -> Self {
        self.mac = Some(blake3::Hasher::new_keyed(nonce));
        self
    }

    /// Hashes a run of tiles, at most [`SLICE_TILES`], and compares them.
    pub(crate) fn slice(
        &mut self,
        memory: &mut dyn Memory,
        first: u64,
        tiles: u64,
    ) -> Result<(), VramError> {
        let job = HashJob {
            tiling: self.expected.tiling,
            first,
            tiles,
            key: None,
        };
        let before = self.clock.now();
        let run = memory.hash(&job)?;
        let took = self.clock.now().saturating_sub(before);
        if run.values.len() as u64 != tiles {
            let message = "the device gave fewer values than tiles";
            return Err(VramError::new(Code::Internal, message));
        }
        self.found.wall_seconds += took.as_secs_f64();
        let sum = self.found.device_seconds.zip(run.device_seconds);
        self.found.device_seconds = sum.map(|(a, b)| a + b);
        self.compare(first, &run.values);
        Ok(())
    }

    fn compare(&mut self, first: u64, values: &[TileValue]) {
        for (index, &actual) in (first..).zip(values) {
            if let Some(mac) = &mut self.mac {
                mac.update(actual.as_bytes());
            }
            let expected = usize::try_from(index)
                .ok()
                .and_then(|index| self.expected.values.get(index));
            let Some((range, &expected)) = self.expected.tiling.range(index).zip(expected) else {
                continue;
            };
            let content = &mut self.found.content;
            content.tiles_checked += 1;
            content.bytes_checked += range.end - range.start;
            if actual != expected {
                content.bad_tiles_count += 1;
                if content.bad_tiles.len() < NAMED_MAX {
                    content.bad_tiles.push(BadTile {
                        index,
                        offset: range.start,
                        bytes: range.end - range.start,
                        expected,
                        actual,
                        tensors: self.expected.tensors.overlapping(&range),
                    });
                }
            }
        }
    }

    /// What was found, and the MAC where one was asked for.
    pub(crate) fn finish(mut self) -> (Compared, Option<[u8; 32]>) {
        let content = &mut self.found.content;
        let all = content.bytes_checked == content.bytes_total;
        if all && content.bad_tiles_count == 0 {
            content.root = Some(self.expected.root);
        }
        let mac = self.mac.map(|mac| *mac.finalize().as_bytes());
        (self.found, mac)
    }
}

impl Compared {
    pub(crate) fn bytes_per_second(&self) -> f64 {
        if self.wall_seconds > 0.0 {
            as_f64(self.content.bytes_checked) / self.wall_seconds
        } else {
            0.0
        }
    }
}
