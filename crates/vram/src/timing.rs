//! What time proves. Pure.

use crate::Link;

/// Beyond the device's own time by this factor and this many seconds, something was brought in first.
const PAGED_IN_FACTOR: f64 = 2.0;
const PAGED_IN_SECONDS: f64 = 0.05;

/// The least fraction of `bytes` that must have lain on the device when all of them were read there
/// in `seconds`: the link cannot have brought more than it carries in that time, and the cache holds
/// no more than it holds.
pub(crate) fn resident_fraction_min(
    bytes: u64,
    seconds: f64,
    link: &Link,
    cache_bytes: u64,
) -> f64 {
    let elsewhere = as_f64(cache_bytes) + link.bytes_per_second * seconds;
    let fraction = 1.0 - elsewhere / as_f64(bytes.max(1));
    if seconds > 0.0 {
        fraction.clamp(0.0, 1.0)
    } else {
        // A clock that did not move proves nothing.
        0.0
    }
}

/// Whether the host waited so much longer than the device worked that memory was moved meanwhile.
pub(crate) fn paged_in(wall_seconds: f64, device_seconds: Option<f64>) -> bool {
    device_seconds.is_some_and(|device| wall_seconds > PAGED_IN_FACTOR * device + PAGED_IN_SECONDS)
}

/// A number of bytes as a float; exact up to 8 PiB.
#[allow(
    clippy::cast_precision_loss,
    reason = "no device has so many bytes that a float could not count them"
)]
pub(crate) fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests;
