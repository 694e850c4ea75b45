//! Which tiles a check looks at: all of them, or a random few that nobody can foresee.

use crate::timing::as_f64;
use crate::{Code, HashJob, Level, VramError, self_test};
use digest::Tiling;
use std::collections::BTreeSet;

/// Refuses a fraction that is none.
pub(crate) fn judge(level: &Level) -> Result<(), VramError> {
    match level {
        Level::Sample(fraction) if !(*fraction > 0.0 && *fraction <= 1.0) => Err(VramError::new(
            Code::BadRange,
            "the fraction of tiles to sample must be more than 0 and at most 1",
        )),
        _ => Ok(()),
    }
}

/// Every tile, in runs of at most `run_max`: the first tile and how many.
pub(crate) fn all(tiling: Tiling, run_max: u64) -> Vec<(u64, u64)> {
    let jobs = HashJob::slices(tiling, None, run_max);
    jobs.map(|job| (job.first, job.tiles)).collect()
}

/// So large a part of the tiles, at least one, chosen anew each time; neighbours as one run.
pub(crate) fn runs(
    tiling: Tiling,
    fraction: f64,
    run_max: u64,
) -> Result<Vec<(u64, u64)>, VramError> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of a number of tiles is one"
    )]
    let count = (as_f64(tiling.tiles()) * fraction).ceil() as u64;
    let chosen = choose(tiling.tiles(), count.clamp(1, tiling.tiles()))?;
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for tile in chosen {
        match runs.last_mut() {
            Some((first, tiles)) if *first + *tiles == tile && *tiles < run_max => *tiles += 1,
            _ => runs.push((tile, 1)),
        }
    }
    Ok(runs)
}

/// Floyd's way: every set of `count` of the first `total` numbers is as likely as another.
fn choose(total: u64, count: u64) -> Result<BTreeSet<u64>, VramError> {
    let mut random = Random::new()?;
    let mut chosen = BTreeSet::new();
    for last in total - count..total {
        let pick = random.below(last + 1);
        if !chosen.insert(pick) {
            chosen.insert(last);
        }
    }
    Ok(chosen)
}

/// Numbers that follow from a seed of the system's.
struct Random(blake3::OutputReader);

impl Random {
    fn new() -> Result<Self, VramError> {
        let mut seed = [0; 32];
        self_test::fill(&mut seed)?;
        Ok(Self(blake3::Hasher::new_keyed(&seed).finalize_xof()))
    }

    /// Less than `end`. Of 2^64 numbers, the few that make some likelier than others do not matter.
    fn below(&mut self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end.max(1)
    }
}

#[cfg(test)]
mod tests;
