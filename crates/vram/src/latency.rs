//! What the pages' latencies say.

use crate::evidence::NAMED_PAGES_MAX;
use crate::{Code, Gpu, Latency, PageCycles, VramError};

/// Below this, local and host memory cannot be told apart by time.
const APART_MIN: f64 = 1.3;

/// The summary of one measurement. `scale` is what surely local and surely host memory take.
pub(crate) fn summary(pages: &PageCycles, scale: Option<(u32, u32)>) -> Latency {
    let slow_cycles = scale.and_then(|(local, host)| threshold(local, host));
    let slow = slow_cycles.map_or_else(Vec::new, |limit| slower_than(limit, &pages.cycles));
    let mut sorted = pages.cycles.clone();
    sorted.sort_unstable();
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0);
    Latency {
        pages: sorted.len() as u64,
        page_bytes: pages.page_bytes,
        cycles_min: at(0),
        cycles_median: at(sorted.len() / 2),
        cycles_max: at(sorted.len().saturating_sub(1)),
        local_cycles: scale.map(|(local, _)| local),
        host_cycles: scale.map(|(_, host)| host),
        slow_cycles,
        slow_pages_count: slow.len() as u64,
        slow_pages: slow.into_iter().take(NAMED_PAGES_MAX).collect(),
    }
}

/// The scale of now; nothing on a device that has no room left to measure one, as an engine leaves it.
pub(crate) fn scale(gpu: &dyn Gpu) -> Result<Option<(u32, u32)>, VramError> {
    match gpu.latency_scale() {
        Err(error) if error.code == Code::AllocationFailed => Ok(None),
        scale => scale,
    }
}

/// A page is slow only if it was so each time: another client's traffic does not hit the same page twice.
/// The fewest cycles of both measurements, page by page.
pub(crate) fn fewest(a: PageCycles, b: &PageCycles) -> PageCycles {
    if a.cycles.len() != b.cycles.len() {
        return a;
    }
    let pairs = a.cycles.iter().zip(&b.cycles);
    PageCycles {
        page_bytes: a.page_bytes,
        cycles: pairs.map(|(&a, &b)| a.min(b)).collect(),
        device_seconds: a.device_seconds,
    }
}

/// In the middle, as ratios go.
fn threshold(local: u32, host: u32) -> Option<u32> {
    let (local, host) = (f64::from(local), f64::from(host));
    let middle = (local > 0.0 && host >= APART_MIN * local).then(|| (local * host).sqrt());
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between two numbers of this type"
    )]
    middle.map(|middle| middle as u32)
}

fn slower_than(limit: u32, cycles: &[u32]) -> Vec<u64> {
    let pages = cycles.iter().zip(0..);
    pages
        .filter_map(|(&cycles, page)| (cycles > limit).then_some(page))
        .collect()
}

#[cfg(test)]
mod tests;
