//! A sealed model: the shards of its files, looked at and freed as one.

use crate::shard::{Shard, Watch};
use crate::together::together;
use crate::{BookEntry, Code, Evidence, Level, SealRecord, Verdict, VramError, self_test};
use std::sync::Arc;

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

    /// The only shard of a model of one file.
    pub(crate) fn only(&self) -> Result<&Arc<Shard>, VramError> {
        match self.shards.as_slice() {
            [only] => Ok(only),
            several => {
                let message = format!("the model has {} files: this is for one", several.len());
                Err(VramError::new(Code::BadRange, message))
            }
        }
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
        match (self.shards.as_slice(), level) {
            ([only], _) => only.check(level, watch),
            (_, Level::Book { nonce, answer }) => self.check_book(nonce, *answer, watch),
            _ => self.check_all(level, watch),
        }
    }

    /// A weak measurement may have met a busy device, and is made again.
    fn check_all(&self, level: &Level, watch: Watch<'_>) -> Result<Evidence, VramError> {
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

    /// The answer is that of all files together: a wrong one is followed by a look at every tile, to name those that
    /// are wrong.
    fn check_book(
        &self,
        nonce: &[u8; 32],
        answer: Option<[u8; 32]>,
        watch: Watch<'_>,
    ) -> Result<Evidence, VramError> {
        let level = Level::Book {
            nonce: *nonce,
            answer: None,
        };
        let seen = self.check_all(&level, watch)?;
        let response = seen.freshness.response;
        let level = Level::Book {
            nonce: *nonce,
            answer,
        };
        if answer.is_none_or(|answer| response == Some(answer)) {
            return Ok(Evidence { level, ..seen });
        }
        let named = self.look(&Level::Full, watch)?;
        let wrong = "the keyed digest is not the answer that the book has".to_owned();
        Ok(Evidence {
            level,
            verdict: Verdict::NotResident,
            reasons: std::iter::once(wrong).chain(named.reasons).collect(),
            freshness: seen.freshness,
            ..named
        })
    }

    pub(crate) fn book_entry(&self, watch: Watch<'_>) -> Result<BookEntry, VramError> {
        let mut nonce = [0; 32];
        self_test::fill(&mut nonce)?;
        let answers = self.each(|shard| shard.keyed_root(&nonce, watch))?;
        let answer = match answers.as_slice() {
            [only] => *only,
            several => response_of(&nonce, several),
        };
        Ok(BookEntry { nonce, answer })
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

/// The answer of several files to a nonce: BLAKE3, keyed by it, of their own answers in order.
pub(crate) fn response_of(nonce: &[u8; 32], answers: &[[u8; 32]]) -> [u8; 32] {
    *blake3::keyed_hash(nonce, answers.as_flattened()).as_bytes()
}
