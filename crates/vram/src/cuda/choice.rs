//! Which of the two kernels hashes tiles faster on this device: found out on the first large jobs.

use crate::timing::as_f64;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tiles of a job that fills any device, 256 MiB: less says nothing of its speed.
const MEASURED_TILES_MIN: u64 = 1024;

/// How the kernel adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adding {
    /// On the integer pipe.
    Plain,
    /// By multiplications, on the pipe of the floats.
    ByMultiplying,
}

impl Adding {
    /// The kernels by their names in the module.
    pub(super) const NAMES: [&str; 2] = ["tiles", "tiles_by_multiplying"];

    /// The one of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let [plain, by_multiplying] = Self::NAMES;
        match name {
            _ if name == plain => Some(Self::Plain),
            _ if name == by_multiplying => Some(Self::ByMultiplying),
            _ => None,
        }
    }
}

/// The choice, which gets better with every large job.
#[derive(Debug, Default)]
pub(super) struct Choice(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// While the kernels are tested or compared: this one, whatever is known.
    only: Option<Adding>,
    /// Tiles a second at best.
    plain: Option<f64>,
    by_multiplying: Option<f64>,
}

impl Choice {
    /// For a job of so many tiles. A kernel that was never measured is tried on the next large one.
    pub(super) fn next(&self, tiles: u64) -> Adding {
        let known = self.known();
        match (known.only, known.plain, known.by_multiplying) {
            (Some(only), _, _) => only,
            (_, Some(_), None) if tiles >= MEASURED_TILES_MIN => Adding::ByMultiplying,
            (_, Some(plain), Some(by_multiplying)) if by_multiplying > plain => {
                Adding::ByMultiplying
            }
            _ => Adding::Plain,
        }
    }

    /// What a job took by the device's own clock, in seconds.
    pub(super) fn note(&self, adding: Adding, tiles: u64, seconds: Option<f64>) {
        let Some(seconds) = seconds.filter(|&seconds| seconds > 0.0) else {
            return;
        };
        if tiles < MEASURED_TILES_MIN {
            return;
        }
        let rate = as_f64(tiles) / seconds;
        let mut known = self.known();
        let best = match adding {
            Adding::Plain => &mut known.plain,
            Adding::ByMultiplying => &mut known.by_multiplying,
        };
        *best = Some(best.map_or(rate, |best| best.max(rate)));
    }

    /// From now on this one alone; with nothing, whichever is faster.
    pub(super) fn only(&self, adding: Option<Adding>) {
        self.known().only = adding;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Adding, Choice};

    const LARGE: u64 = 4096;

    #[test]
    fn each_is_tried_once_and_the_faster_one_stays() {
        for (plain, by_multiplying, faster) in [
            (1.0, 0.8, Adding::ByMultiplying),
            (0.8, 1.0, Adding::Plain),
            (1.0, 1.0, Adding::Plain),
        ] {
            let choice = Choice::default();
            assert_eq!(choice.next(LARGE), Adding::Plain);
            choice.note(Adding::Plain, LARGE, Some(plain));
            assert_eq!(choice.next(LARGE), Adding::ByMultiplying);
            choice.note(Adding::ByMultiplying, LARGE, Some(by_multiplying));
            for tiles in [1, LARGE] {
                assert_eq!(choice.next(tiles), faster);
            }
        }
    }

    #[test]
    fn small_jobs_and_absent_clocks_say_nothing() {
        let choice = Choice::default();
        choice.note(Adding::Plain, 1023, Some(1.0));
        choice.note(Adding::Plain, LARGE, None);
        choice.note(Adding::Plain, LARGE, Some(0.0));
        assert_eq!(choice.next(LARGE), Adding::Plain);
        choice.note(Adding::Plain, LARGE, Some(1.0));
        assert_eq!(
            choice.next(1023),
            Adding::Plain,
            "a small job tries nothing"
        );
    }

    #[test]
    fn a_busy_moment_is_forgotten() {
        let choice = Choice::default();
        choice.note(Adding::Plain, LARGE, Some(50.0));
        choice.note(Adding::ByMultiplying, LARGE, Some(1.1));
        choice.note(Adding::ByMultiplying, LARGE, Some(9.0));
        assert_eq!(choice.next(LARGE), Adding::ByMultiplying);
        choice.note(Adding::Plain, LARGE, Some(1.0));
        assert_eq!(choice.next(LARGE), Adding::Plain);
    }

    #[test]
    fn a_test_of_the_kernels_chooses_itself() {
        let choice = Choice::default();
        choice.only(Some(Adding::ByMultiplying));
        assert_eq!(choice.next(1), Adding::ByMultiplying);
        choice.only(None);
        assert_eq!(choice.next(1), Adding::Plain);
    }
}
