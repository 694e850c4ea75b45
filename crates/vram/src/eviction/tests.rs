//! Counters as drivers give them, and what they show of a model of 10 GB.

use super::{Eviction, shown};
use crate::Accounting;

const GB: u64 = 1_000_000_000;
const MODEL: u64 = 10 * GB;

fn of(process: Option<u64>, evicted: Option<u64>) -> Eviction {
    let accounting = Accounting {
        total_bytes: 24 * GB,
        process_bytes: process,
        evicted_bytes: evicted,
        ..Accounting::default()
    };
    shown(&accounting, MODEL)
}

#[test]
fn what_is_not_counted_shows_nothing() {
    // NVIDIA: no such counter.
    assert_eq!(of(Some(12 * GB), None), Eviction::Nothing);
    assert_eq!(of(None, None), Eviction::Nothing);
    // A container where the process's own bytes are counted elsewhere: no alarm is made of that alone.
    assert_eq!(of(Some(0), None), Eviction::Nothing);
    assert_eq!(of(Some(0), Some(0)), Eviction::Nothing);
}

#[test]
fn what_may_be_anothers_is_no_alarm() {
    // amdgpu: an engine beside the model holds 8 GB, 3 of which were pushed out.
    assert_eq!(of(Some(15 * GB), Some(3 * GB)), Eviction::Possible(3 * GB));
    // All that is left would just hold the model.
    assert_eq!(of(Some(MODEL), Some(GB)), Eviction::Possible(GB));
    assert_eq!(of(Some(MODEL), Some(4096)), Eviction::Possible(4096));
    // Pushed out, and nobody says what is left.
    assert_eq!(of(None, Some(4096)), Eviction::Possible(4096));
}

#[test]
fn what_can_only_be_the_models_is() {
    // The model alone: 4 of its 10 GB are left.
    assert_eq!(of(Some(6 * GB), Some(4 * GB)), Eviction::Certain(4 * GB));
    // Beside an engine of 8 GB, of which nobody knows how much is left: at least 1 GB is the model's.
    assert_eq!(of(Some(9 * GB), Some(9 * GB)), Eviction::Certain(GB));
    assert_eq!(of(Some(0), Some(18 * GB)), Eviction::Certain(MODEL));
    // Never more than was pushed out: the rest is a matter of how the driver rounds.
    assert_eq!(of(Some(MODEL - 8192), Some(4096)), Eviction::Certain(4096));
    assert_eq!(
        of(Some(u64::MAX), Some(u64::MAX)),
        Eviction::Possible(u64::MAX)
    );
}
