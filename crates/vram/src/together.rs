//! What the files of a split model showed, as evidence of all of them. Pure.

use crate::eviction;
use crate::evidence::{
    Access, Content, Evidence, Latency, NAMED_PAGES_MAX, Placement, Timing, Verdict,
};
use crate::freshness::response_of;
use crate::timing::as_f64;
use crate::verdict::fraction;
use crate::{Code, Freshness, VramError};

/// The worst verdict, sums of what was counted, and the bound that time sets for all bytes together; `fraction_min`
/// is what it must show. One file alone stays what it is.
pub(crate) fn together(
    mut parts: Vec<Evidence>,
    fraction_min: Option<f64>,
) -> Result<Evidence, VramError> {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return Ok(only);
    }
    for (number, part) in (1..).zip(&mut parts) {
        part.content.of_part(number);
    }
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return Err(VramError::new(Code::Internal, "nothing was looked at"));
    };
    let (content, timing) = (content_of(&parts), timing_of(&parts));
    let short = fraction(fraction_min, &content, &timing);
    // As it was before the first look brought anything back.
    let gone = eviction::certainly(&first.accounting, content.bytes_total);
    let (verdict, reasons) = verdict_of(&parts, short, gone);
    Ok(Evidence {
        level: first.level.clone(),
        verdict,
        reasons,
        device: first.device,
        kernel: first.kernel.clone(),
        accounting: last.accounting.clone(),
        placement: placement_of(&parts),
        content,
        timing,
        freshness: freshness_of(&parts),
        at_unix_ms: last.at_unix_ms,
        parts,
    })
}

/// `gone`: that the driver has pushed out more than others can have lost, though each part alone would fit into the rest.
fn verdict_of(
    parts: &[Evidence],
    short: Option<String>,
    gone: Option<String>,
) -> (Verdict, Vec<String>) {
    let worst = Verdict::worst(parts.iter().map(|part| part.verdict));
    let reasons = reasons_of(parts);
    match (short, worst) {
        (_, Verdict::Resident | Verdict::Inconclusive) if gone.is_some() => {
            (Verdict::NotResident, gone.into_iter().collect())
        }
        (Some(short), Verdict::Resident | Verdict::Inconclusive) => {
            let all = reasons.into_iter().chain([short]);
            (Verdict::Inconclusive, all.collect())
        }
        _ => (worst, reasons),
    }
}

/// What holds for every part alike is said once.
fn reasons_of(parts: &[Evidence]) -> Vec<String> {
    let first = parts.first().map(|part| part.reasons.clone());
    if let Some(same) = first.filter(|same| parts.iter().all(|part| part.reasons == *same)) {
        return same;
    }
    let numbered = (1..).zip(parts).flat_map(|(number, part): (u32, _)| {
        let reasons = part.reasons.iter();
        reasons.map(move |reason| format!("part {number}: {reason}"))
    });
    numbered.collect()
}

/// That of the part which is worst off: one number of the driver's cannot stand for several allocations.
fn placement_of(parts: &[Evidence]) -> Placement {
    let worst = Verdict::worst(parts.iter().map(|part| part.verdict));
    let told = parts.iter().find(|part| part.verdict == worst);
    let bytes = parts.iter().map(|part| part.placement.allocation_bytes);
    let sealed = |part: &Evidence| part.placement.access == Access::ReadOnly;
    Placement {
        allocation_id: None,
        allocation_bytes: bytes.sum(),
        access: if parts.iter().all(sealed) {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        },
        ..told.map_or_else(Placement::default, |part| part.placement.clone())
    }
}

fn content_of(parts: &[Evidence]) -> Content {
    let mut all = Content::default();
    for part in parts {
        all.add(&part.content);
    }
    all
}

fn timing_of(parts: &[Evidence]) -> Timing {
    let each = || parts.iter().map(|part| &part.timing);
    let wall_seconds: f64 = each().map(|it| it.wall_seconds).sum();
    let checked: u64 = parts.iter().map(|part| part.content.bytes_checked).sum();
    Timing {
        wall_seconds,
        device_seconds: each().map(|it| it.device_seconds).sum(),
        bytes_per_second: if wall_seconds > 0.0 {
            as_f64(checked) / wall_seconds
        } else {
            0.0
        },
        calibrated_seconds: each().map(|it| it.calibrated_seconds).sum(),
        tries: each().map(|it| it.tries).max().unwrap_or(0),
        resident_fraction_min: fraction_of(parts, checked),
        paged_in: each().any(|it| it.paged_in),
        latency: latency_of(parts),
    }
}

/// So many bytes of each part cannot have come from elsewhere: their sum, of all bytes.
fn fraction_of(parts: &[Evidence], checked: u64) -> Option<f64> {
    let shown: Option<f64> = parts
        .iter()
        .map(|part| {
            let shown = part.timing.resident_fraction_min;
            shown.map(|shown| shown * as_f64(part.content.bytes_checked))
        })
        .sum();
    shown.map(|shown| shown / as_f64(checked.max(1)))
}

/// Pages are numbered through all parts. The page in the middle is the slowest part's.
fn latency_of(parts: &[Evidence]) -> Option<Latency> {
    let each: Option<Vec<&Latency>> = parts
        .iter()
        .map(|part| part.timing.latency.as_ref())
        .collect();
    let mut all = Latency {
        cycles_min: u32::MAX,
        ..Latency::default()
    };
    for one in each? {
        let slow = one.slow_pages.iter().map(|page| all.pages + page);
        let room = NAMED_PAGES_MAX.saturating_sub(all.slow_pages.len());
        let slow: Vec<u64> = slow.take(room).collect();
        all.slow_pages.extend(slow);
        all = Latency {
            pages: all.pages + one.pages,
            page_bytes: one.page_bytes,
            cycles_min: all.cycles_min.min(one.cycles_min),
            cycles_median: all.cycles_median.max(one.cycles_median),
            cycles_max: all.cycles_max.max(one.cycles_max),
            local_cycles: one.local_cycles,
            host_cycles: one.host_cycles,
            slow_cycles: one.slow_cycles,
            slow_pages_count: all.slow_pages_count + one.slow_pages_count,
            slow_pages: all.slow_pages,
        };
    }
    Some(all)
}

fn freshness_of(parts: &[Evidence]) -> Freshness {
    let first = parts.first().map(|part| part.freshness.clone());
    let responses = parts.iter().map(|part| part.freshness.response);
    let responses: Option<Vec<_>> = responses.collect();
    let first = first.unwrap_or_default();
    let both = first.nonce.zip(responses);
    Freshness {
        response: both.map(|(nonce, responses)| response_of(&nonce, &responses)),
        ..first
    }
}

#[cfg(test)]
mod tests;
