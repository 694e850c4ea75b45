//! What it means for one model that the driver has pushed memory out of the device. Pure, for no two drivers count alike.
//!
//! Drivers count for a process, not for an allocation: what was pushed out may be another library's, or another model.
//! Of the process's bytes only those that are left on the device can hold the model. Where they are fewer than it has,
//! the difference is surely out, whoever holds the rest; where they suffice, nobody can tell.

use crate::Accounting;

/// That bytes of the model surely were pushed out, as a sentence.
pub(crate) fn certainly(accounting: &Accounting, model_bytes: u64) -> Option<String> {
    match shown(accounting, model_bytes) {
        Eviction::Certain(bytes) => Some(format!(
            "the driver has pushed at least {bytes} bytes of it out of the device: what is left of the process there is less than it takes"
        )),
        _ => None,
    }
}

/// That bytes were pushed out which may be the model's, as a sentence.
pub(crate) fn possibly(accounting: &Accounting, model_bytes: u64) -> Option<String> {
    match shown(accounting, model_bytes) {
        Eviction::Possible(bytes) => Some(format!(
            "the driver has pushed {bytes} bytes of this process out of the device, and does not say whose: they may be this model's, or others'"
        )),
        _ => None,
    }
}

/// What the counters show of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eviction {
    /// Nothing was pushed out, or the driver does not say.
    Nothing,
    /// So many bytes of the process were: it may be the model's, or others'.
    Possible(u64),
    /// At least so many bytes of the model were.
    Certain(u64),
}

/// Of a model of so many bytes.
fn shown(accounting: &Accounting, model_bytes: u64) -> Eviction {
    let evicted = accounting.evicted_bytes.unwrap_or(0);
    let left = accounting.process_bytes;
    let missing = left.map_or(0, |left| model_bytes.saturating_sub(left));
    match evicted.min(missing) {
        // A counter that says less than there must be, and nothing of being pushed out, counts something else.
        0 if evicted == 0 => Eviction::Nothing,
        0 => Eviction::Possible(evicted),
        certain => Eviction::Certain(certain),
    }
}

#[cfg(test)]
mod tests;
