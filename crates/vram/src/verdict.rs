//! The verdict: what all the evidence together says. Pure, so that systems nobody has at hand can be judged by
//! what they were seen to say.

use crate::eviction;
use crate::evidence::{Accounting, Content, Placement, Timing};
use crate::{Access, Device, DriverModel, Level, MemoryType, Policy, Verdict};

/// What a check is held against.
#[derive(Clone, Debug)]
pub(crate) struct Baseline<'a> {
    pub(crate) device: &'a Device,
    pub(crate) policy: &'a Policy,
    /// What the device may do to the memory since the seal.
    pub(crate) access: Access,
    /// The allocation's number at the seal.
    pub(crate) allocation_id: Option<u64>,
    /// Memory errors that there were at the seal.
    pub(crate) ecc_uncorrected: Option<u64>,
}

/// What a check saw.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) level: &'a Level,
    pub(crate) accounting: &'a Accounting,
    pub(crate) placement: &'a Placement,
    pub(crate) content: &'a Content,
    pub(crate) timing: &'a Timing,
    /// Whether it was slow each time.
    pub(crate) slow: bool,
}

/// The verdict, and why it is not `resident`. What is wrong outweighs what is only not shown.
pub(crate) fn judge(baseline: &Baseline<'_>, seen: &Seen<'_>) -> (Verdict, Vec<String>) {
    let wrong = wrong(baseline, seen);
    if !wrong.is_empty() {
        return (Verdict::NotResident, wrong);
    }
    if let Err(why) = baseline.device.judge() {
        return (Verdict::Unified, vec![why.to_string()]);
    }
    let open = not_shown(baseline, seen);
    if open.is_empty() {
        (Verdict::Resident, open)
    } else {
        (Verdict::Inconclusive, open)
    }
}

fn wrong(baseline: &Baseline<'_>, seen: &Seen<'_>) -> Vec<String> {
    let content = (seen.content.bad_tiles_count > 0).then(|| {
        let count = seen.content.bad_tiles_count;
        format!("{count} tiles are not what was sealed")
    });
    let mut reasons: Vec<String> = content.into_iter().collect();
    reasons.extend(misplaced(baseline, seen.placement));
    reasons.extend(changed(baseline, seen.placement));
    reasons.extend(too_slow_pages(baseline, seen.timing));
    reasons.extend(pushed_out(baseline, seen));
    reasons
}

/// Where the device's memory is the host's, it is pushed nowhere else.
fn pushed_out(baseline: &Baseline<'_>, seen: &Seen<'_>) -> Option<String> {
    let separate = baseline.device.judge().is_ok();
    eviction::certainly(seen.accounting, seen.content.bytes_total).filter(|_| separate)
}

/// Managed memory can lie anywhere, whatever else is said of it. Host memory is one only where there
/// is memory of another kind.
fn misplaced(baseline: &Baseline<'_>, placement: &Placement) -> Vec<String> {
    let separate = baseline.device.judge().is_ok();
    let host = separate && placement.memory_type == MemoryType::Host;
    [
        (
            placement.managed == Some(true),
            "the memory is managed: it may be moved at any time",
        ),
        (host, "the memory is the host's"),
        (
            placement.on_device == Some(false),
            "the allocation was not made on this device",
        ),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, reason)| reason.to_owned())
    .collect()
}

fn changed(baseline: &Baseline<'_>, placement: &Placement) -> Vec<String> {
    let ids = baseline.allocation_id.zip(placement.allocation_id);
    let other = ids.is_some_and(|(then, now)| then != now);
    let opened = baseline.access == Access::ReadOnly && placement.access != Access::ReadOnly;
    [
        (other, "another allocation lies at the sealed address"),
        (opened, "the mapping is no longer read-only"),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, reason)| reason.to_owned())
    .collect()
}

fn too_slow_pages(baseline: &Baseline<'_>, timing: &Timing) -> Option<String> {
    let latency = timing.latency.as_ref()?;
    (latency.slow_pages_count > baseline.policy.slow_pages_max).then(|| {
        format!(
            "{} of {} pages answer as slowly as the host's memory",
            latency.slow_pages_count, latency.pages
        )
    })
}

fn not_shown(baseline: &Baseline<'_>, seen: &Seen<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    if seen.slow {
        reasons.push("the check was slow each time: the device may be busy".to_owned());
    }
    if matches!(
        seen.placement.memory_type,
        MemoryType::Unknown | MemoryType::Unified
    ) {
        reasons.push("the driver does not say that the memory is the device's".to_owned());
    }
    reasons.extend(eviction::possibly(
        seen.accounting,
        seen.content.bytes_total,
    ));
    reasons.extend(fraction(
        baseline.policy.resident_fraction_min,
        seen.content,
        seen.timing,
    ));
    reasons.extend(windows(baseline, seen));
    let errors = baseline
        .ecc_uncorrected
        .zip(seen.accounting.ecc_uncorrected);
    if *seen.level == Level::Quick && errors.is_some_and(|(then, now)| now > then) {
        reasons.push("memory errors came up since the seal: check all tiles".to_owned());
    }
    reasons
}

/// Only checks of every tile are timed; a demand that a quick check cannot meet is not its failure.
pub(crate) fn fraction(
    demanded: Option<f64>,
    content: &Content,
    timing: &Timing,
) -> Option<String> {
    let demanded = demanded?;
    if content.bytes_checked < content.bytes_total {
        return None;
    }
    match timing.resident_fraction_min {
        Some(shown) if shown >= demanded => None,
        Some(shown) => Some(format!(
            "time shows only {:.1} % to be on the device, {:.1} % are demanded",
            shown * 100.0,
            demanded * 100.0
        )),
        None => Some("the link's speed is not known, so that time shows nothing".to_owned()),
    }
}

/// There the system may make any allocation in the host's memory and say nothing: only time tells.
fn windows(baseline: &Baseline<'_>, seen: &Seen<'_>) -> Option<String> {
    let owned_by_system = matches!(
        baseline.device.driver_model,
        Some(DriverModel::Wddm | DriverModel::Mcdm)
    );
    let timed = seen
        .timing
        .resident_fraction_min
        .is_some_and(|shown| shown > 0.5);
    let latency = seen.timing.latency.as_ref();
    let probed = latency.is_some_and(|latency| latency.slow_cycles.is_some() && latency.pages > 0);
    (owned_by_system && !timed && !probed).then(|| {
        "under this driver model only time can show where the memory is, and it did not".to_owned()
    })
}

#[cfg(test)]
mod tests;
