//! Comparing tiles on the device with those of the file, slice by slice.

use crate::tensors::TensorMap;
use crate::timing::as_f64;
use crate::{BadTile, Clock, Code, Content, Device, FreshMac, HashJob, Memory, VramError};
use digest::{Blake3Digest, TILE_BYTES, TileValue, Tiling};

/// What one slice may take at the memory's full speed, in seconds: a display's watchdog and a cancel wait
/// longer than the ten times that a slow kernel makes of it, and waiting for it costs little beside it.
const SLICE_SECONDS: f64 = 0.002;

/// Tiles of a slice where nobody knows the device's speed, 256 MiB, and of the longest one, 4 GiB.
const SLICE_TILES: u64 = 1024;
const SLICE_TILES_MAX: u64 = 16_384;

/// How many tiles to hash at once on this device.
pub(crate) fn slice_tiles(device: &Device) -> u64 {
    let tiles = device
        .peak_bytes_per_second
        .map(|peak| peak * SLICE_SECONDS / as_f64(TILE_BYTES));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is out of range is clamped"
    )]
    tiles.map_or(SLICE_TILES, |tiles| {
        (tiles as u64).clamp(SLICE_TILES, SLICE_TILES_MAX)
    })
}

/// What the tiles must be.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) tiling: Tiling,
    pub(crate) values: &'a [TileValue],
    pub(crate) root: Blake3Digest,
    pub(crate) tensors: &'a TensorMap,
}

impl Expected<'_> {
    /// Counts a tile that was looked at, and names it where it is another one. Beyond the last there is none.
    pub(crate) fn note(
        &self,
        index: u64,
        expected: TileValue,
        actual: TileValue,
        content: &mut Content,
    ) {
        let Some(range) = self.tiling.range(index) else {
            return;
        };
        let bytes = range.end - range.start;
        content.tiles_checked += 1;
        content.bytes_checked += bytes;
        if actual != expected {
            content.note_bad(BadTile {
                part: None,
                index,
                offset: range.start,
                bytes,
                expected,
                actual,
                tensors: self.tensors.overlapping(&range),
            });
        }
    }
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
    mac: Option<FreshMac>,
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
        self.mac = Some(FreshMac::new(nonce));
        self
    }

    /// Hashes a run of tiles, at most [`slice_tiles`], and compares them.
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
        if let Some(mac) = &mut self.mac {
            for value in values {
                mac.add(value);
            }
        }
        if self.all_as_expected(first, values) {
            return;
        }
        for (index, &actual) in (first..).zip(values) {
            let expected = usize::try_from(index)
                .ok()
                .and_then(|index| self.expected.values.get(index));
            if let Some(&expected) = expected {
                self.expected
                    .note(index, expected, actual, &mut self.found.content);
            }
        }
    }

    /// The usual case, in one comparison: hundreds of thousands of tiles pass in the time of the hashing.
    fn all_as_expected(&mut self, first: u64, values: &[TileValue]) -> bool {
        let start = usize::try_from(first).unwrap_or(usize::MAX);
        let expected = self.expected.values.get(start..);
        let expected = expected.and_then(|expected| expected.get(..values.len()));
        let last = first.saturating_add(values.len() as u64).saturating_sub(1);
        let tiling = self.expected.tiling;
        let ends = tiling.range(first).zip(tiling.range(last));
        match ends {
            Some((first, last)) if expected == Some(values) => {
                self.found.content.tiles_checked += values.len() as u64;
                self.found.content.bytes_checked += last.end - first.start;
                true
            }
            _ => false,
        }
    }

    /// What was found, and the MAC where one was asked for.
    pub(crate) fn finish(mut self) -> (Compared, Option<[u8; 32]>) {
        let content = &mut self.found.content;
        let all = content.bytes_checked == content.bytes_total;
        if all && content.bad_tiles_count == 0 {
            content.root = Some(self.expected.root);
        }
        let mac = self.mac.map(|mac| mac.finish());
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
