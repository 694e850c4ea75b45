//! A sealed model: the shards of its files, looked at and freed as one.

use crate::shard::{Shard, Watch};
use crate::together::together;
use crate::{Code, Evidence, Level, SealRecord, Verdict, VramError};
use std::sync::Arc;
use verify::Verified;

/// One shard a file, in order; a split model has several.
pub(crate) struct Model {
    pub(crate) shards: Vec<Arc<Shard>>,
    /// What time must show of a split model. A file alone has it in its own policy: a part can be too
    /// small for time to say anything.
    pub(crate) fraction_min: Option<f64>,
}

impl Model {
    pub(crate) fn of_one(shard: Shard) -> Self {
        Self {
            shards: vec![Arc::new(shard)],
            fraction_min: None,
        }
    }

    /// Random tiles of each file, held against the file's own.
    pub(crate) fn spot_check(
        &self,
        files: &[Arc<Verified>],
        fraction: f64,
        watch: Watch<'_>,
    ) -> Result<Evidence, VramError> {
        let count = self.shards.len();
        if files.len() != count {
            let message = format!(
                "the model has {count} files, and {} were given",
                files.len()
            );
            return Err(VramError::new(Code::FileChanged, message));
        }
        let seen = (1..).zip(self.shards.iter().zip(files));
        let seen = seen.map(|(number, (shard, file))| {
            let seen = shard.spot_check(file, fraction, watch);
            seen.map_err(|error| error.of_part(number, count))
        });
        together(seen.collect::<Result<_, _>>()?, self.fraction_min)
    }

    pub(crate) fn bytes(&self) -> u64 {
        let shards = self.shards.iter();
        shards.map(|it| it.facts.tiles.tiling().bytes_total()).sum()
    }

    pub(crate) fn records(&self) -> Vec<SealRecord> {
        let shards = self.shards.iter();
        shards.map(|shard| shard.record.clone()).collect()
    }

    /// Looks at every file. As for one, this fails only where nothing could be looked at.
    pub(crate) fn check(&self, level: &Level, watch: Watch<'_>) -> Result<Evidence, VramError> {
        match level {
            Level::Book { nonce, answer } => self.check_book(nonce, *answer, watch),
            _ => self.check_all(level, watch),
        }
    }

    /// A weak measurement may have met a busy device, and is made again.
    pub(crate) fn check_all(&self, level: &Level, watch: Watch<'_>) -> Result<Evidence, VramError> {
        if let [only] = self.shards.as_slice() {
            return only.check(level, watch);
        }
        let tries = self
            .shards
            .first()
            .map_or(1, |it| it.facts.policy.tries_max);
        let mut seen = self.look(level, watch)?;
        for _ in 1..tries.max(1) {
            let shown = seen.timing.resident_fraction_min;
            let weak = self
                .fraction_min
                .zip(shown)
                .is_some_and(|(min, it)| it < min);
            if !weak || seen.verdict == Verdict::NotResident {
                break;
            }
            seen = self.look(level, watch)?;
        }
        Ok(seen)
    }

    fn look(&self, level: &Level, watch: Watch<'_>) -> Result<Evidence, VramError> {
        let seen = self.each(|shard| shard.check(level, watch))?;
        together(seen, self.fraction_min)
    }

    /// Clears and frees every file, whatever fails; the first failure is told.
    pub(crate) fn dispose(&self) -> Result<u64, VramError> {
        let count = self.shards.len();
        let released = (1..).zip(&self.shards).map(|(number, shard)| {
            let released = shard.dispose();
            released.map_err(|error| error.of_part(number, count))
        });
        // All of them, before the first failure is looked for.
        let released: Vec<_> = released.collect();
        released.into_iter().sum()
    }

    /// One answer a file.
    pub(crate) fn each<T>(
        &self,
        ask: impl Fn(&Shard) -> Result<T, VramError>,
    ) -> Result<Vec<T>, VramError> {
        let count = self.shards.len();
        let asked = (1..).zip(&self.shards).map(|(number, shard)| {
            let answer = ask(shard);
            answer.map_err(|error| error.of_part(number, count))
        });
        asked.collect()
    }
}
