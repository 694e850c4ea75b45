//! The spot check: random tiles under a fresh key, on the device and in the file. There is nothing to prepare and
//! nothing to keep.

use crate::check::Found;
use crate::comparison::{Compared, slice_tiles};
use crate::shard::{Shard, Watch};
use crate::{
    Code, Content, Evidence, Freshness, FreshnessMethod, HashJob, Level, VramError, file_error,
    sampling, self_test,
};
use digest::TileValue;
use verify::Verified;

impl Shard {
    pub(crate) fn spot_check(
        &self,
        verified: &Verified,
        fraction: f64,
        watch: Watch<'_>,
    ) -> Result<Evidence, VramError> {
        let level = Level::Sample(fraction);
        sampling::judge(&level)?;
        // A file that was verified without tile values has no BLAKE3 yet.
        let same = verified.sha256().to_string() == self.record.sha256;
        if !same {
            let message = "the file is not the one that was sealed";
            return Err(VramError::new(Code::FileChanged, message));
        }
        let mut key = [0; 32];
        self_test::fill(&mut key)?;
        let slice = slice_tiles(self.gpu.device());
        let mut compared = Compared {
            content: Content {
                bytes_total: self.expected().tiling.bytes_total(),
                ..Content::default()
            },
            ..Compared::default()
        };
        for run in sampling::runs(self.expected().tiling, fraction, slice)? {
            self.spot(run, &key, verified, &mut compared, watch)?;
        }
        let mut found = Found::of(compared);
        found.freshness = Freshness {
            method: FreshnessMethod::Sampled,
            nonce: Some(key),
            ..Freshness::default()
        };
        self.evidence_of(&level, found, watch)
    }

    fn spot(
        &self,
        (first, tiles): (u64, u64),
        key: &[u8; 32],
        verified: &Verified,
        into: &mut Compared,
        watch: Watch<'_>,
    ) -> Result<(), VramError> {
        let job = HashJob {
            tiling: self.expected().tiling,
            first,
            tiles,
            key: Some(*key),
        };
        let before = watch.clock.now();
        let run = self.with_memory(watch, |memory| memory.hash(&job))?;
        into.wall_seconds += watch.clock.now().saturating_sub(before).as_secs_f64();
        for (index, actual) in (first..).zip(run.values) {
            let expected = self.keyed_tile(index, key, verified, watch)?;
            self.expected()
                .note(index, expected, actual, &mut into.content);
        }
        Ok(())
    }

    /// What the file's tile is under the key; its bytes are checked as they are read.
    fn keyed_tile(
        &self,
        index: u64,
        key: &[u8; 32],
        verified: &Verified,
        watch: Watch<'_>,
    ) -> Result<TileValue, VramError> {
        let tiling = self.expected().tiling;
        let range = tiling.range(index).unwrap_or_default();
        let bytes = verified.read(range, watch.control).map_err(file_error)?;
        let value = tiling.keyed_value(index, &bytes, key);
        value.map_err(|error| VramError::new(Code::Internal, error.to_string()))
    }
}
