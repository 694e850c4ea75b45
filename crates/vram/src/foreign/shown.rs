//! What time shows of all ranges together, whichever of the model's files their tensors are in. Pure.

use super::ForeignRange;
use crate::{Device, Policy, Verdict, timing};

/// What time shows of all ranges together: a single one is too small for it.
pub(super) fn fraction_shown(
    device: &Device,
    ranges: &[ForeignRange],
    wall_seconds: f64,
) -> Option<f64> {
    let bytes = distinct_bytes(ranges);
    let link = device.link.as_ref().filter(|_| bytes > 0)?;
    let cache = device.cache_bytes.unwrap_or(0);
    let shown = timing::resident_fraction_min(bytes, wall_seconds, link, cache);
    Some(shown)
}

/// Bytes that several ranges share count once: the second time they may come from where the first left them.
fn distinct_bytes(ranges: &[ForeignRange]) -> u64 {
    let ends = ranges.iter().map(|range| {
        let end = range.pointer.saturating_add(range.bytes);
        (range.pointer, end)
    });
    let mut ends: Vec<(u64, u64)> = ends.collect();
    ends.sort_unstable();
    let mut covered = 0;
    let news = ends.into_iter().map(|(start, end)| {
        let new = end.saturating_sub(start.max(covered));
        covered = covered.max(end);
        new
    });
    news.sum()
}

/// What time must show of all ranges together.
pub(super) fn together(
    worst: Verdict,
    policy: &Policy,
    shown: Option<f64>,
) -> (Verdict, Vec<String>) {
    let demanded = policy.resident_fraction_min;
    let short = demanded.is_some_and(|demanded| shown.is_none_or(|shown| shown < demanded));
    if worst != Verdict::Resident || !short {
        return (worst, Vec::new());
    }
    let reason = format!(
        "time shows only {:.1} % of it to be on the device",
        shown.unwrap_or(0.0) * 100.0
    );
    (Verdict::Inconclusive, vec![reason])
}
