//! The scrub of a sealed model: file after file, again and again, in steps.

use crate::model::Model;
use crate::shard_scrub::ShardScrub;
use crate::timing::as_f64;
use crate::together::together;
use crate::{Clock, Evidence, Verdict, VramError};
use std::sync::Arc;
use std::time::Duration;
use verify::Control;

/// A scrub of one sealed model. It does nothing by itself: who has it takes its steps.
pub struct Scrub {
    /// One a file, with its bytes.
    files: Vec<(ShardScrub, u64)>,
    /// The file that is gone over now.
    at: usize,
    /// What the files before it showed in this pass.
    seen: Vec<Evidence>,
    passes: u64,
}

/// What a step did.
#[derive(Clone, Debug)]
pub struct ScrubStep {
    /// Bytes that this step checked.
    pub bytes: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// How long to rest before the next step, to keep to the duty cycle.
    pub rest: Duration,
    /// How much of the pass under way is done, 0 to 1.
    pub coverage: f64,
    /// Passes that were completed.
    pub passes: u64,
    /// Of the pass that this step completed, or of the tiles so far, as soon as one is wrong.
    pub evidence: Option<Evidence>,
}

impl Scrub {
    pub(crate) fn new(model: &Model, clock: &Arc<dyn Clock>, duty: f64) -> Result<Self, VramError> {
        let files = model.shards.iter().map(|shard| {
            let bytes = shard.facts.tiles.tiling().bytes_total();
            let scrub = ShardScrub::new(Arc::clone(shard), Arc::clone(clock), duty);
            Ok((scrub?, bytes))
        });
        Ok(Self {
            files: files.collect::<Result<_, VramError>>()?,
            at: 0,
            seen: Vec::new(),
            passes: 0,
        })
    }

    /// Checks slices of one file until the budget is used up, all of it is done, or a tile is wrong; at least
    /// one slice.
    ///
    /// # Errors
    /// As [`crate::Vault::verify`].
    pub fn step(&mut self, budget: Duration, control: &Control) -> Result<ScrubStep, VramError> {
        let count = self.files.len();
        let Some((scrub, _)) = self.files.get_mut(self.at) else {
            return Err(crate::shard::disposed());
        };
        let before = scrub.passes();
        let step = scrub.step(budget, control);
        let number = u32::try_from(self.at + 1).unwrap_or(u32::MAX);
        let step = step.map_err(|error| error.of_part(number, count))?;
        let done = step.passes > before;
        let evidence = self.conclude(step.evidence, done)?;
        Ok(ScrubStep {
            coverage: self.coverage(if done { 0.0 } else { step.coverage }),
            passes: self.passes,
            evidence,
            ..step
        })
    }

    /// Of all files, when so much of this one is done.
    fn coverage(&self, of_this: f64) -> f64 {
        let bytes = |files: &[(ShardScrub, u64)]| files.iter().map(|(_, bytes)| bytes).sum();
        let before: u64 = bytes(self.files.get(..self.at).unwrap_or_default());
        let this = self.files.get(self.at).map_or(0, |(_, bytes)| *bytes);
        let all: u64 = bytes(&self.files);
        (as_f64(before) + of_this * as_f64(this)) / as_f64(all.max(1))
    }

    /// What is wrong is told at once; what is right when every file was gone over.
    fn conclude(
        &mut self,
        evidence: Option<Evidence>,
        done: bool,
    ) -> Result<Option<Evidence>, VramError> {
        let Some(evidence) = evidence else {
            return Ok(None);
        };
        let wrong = evidence.verdict == Verdict::NotResident;
        self.seen.push(evidence);
        let whole = done && self.at + 1 == self.files.len();
        let told = (wrong || whole).then(|| together(self.seen.clone(), None));
        if !done {
            self.seen.pop();
        } else if whole {
            self.seen.clear();
            self.at = 0;
            self.passes += 1;
        } else {
            self.at += 1;
        }
        told.transpose()
    }
}
