//! Weights that another library loaded: hashed where they lie, compared with the verified file.

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{BigInt, Error, Result};
use napi_derive::napi;
use verify::{Control, Verified};
use vram::{ForeignEvidence, ForeignRange, RangeEvidence, TensorDigests, VramError};

use super::evidence::{AccountingView, KernelView, LatencyView, PlacementView};
use super::failure::VramFailure;
use super::place::Spot;
use super::vault;
use crate::control::saturating;
use crate::thread::Held;

/// Where an engine keeps a tensor.
#[napi(object, object_to_js = false)]
pub struct Range {
    pub pointer: BigInt,
    pub bytes: i64,
    pub tensor: String,
}

/// What all ranges showed, or why nothing could be looked at.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct Foreign {
    pub failure: Option<VramFailure>,
    pub seen: Option<ForeignView>,
}

impl Held for Foreign {}

#[napi(object, object_from_js = false)]
pub(crate) struct ForeignView {
    pub verdict: &'static str,
    pub device_uuid: String,
    pub kernel: KernelView,
    pub root: String,
    pub ranges: Vec<RangeView>,
    pub bytes_checked: i64,
    pub wall_seconds: f64,
    pub resident_fraction_min: Option<f64>,
    pub accounting: AccountingView,
    pub at_unix_ms: i64,
}

#[napi(object, object_from_js = false)]
pub(crate) struct RangeView {
    pub tensor: String,
    pub pointer: BigInt,
    pub bytes: i64,
    pub verdict: &'static str,
    pub reasons: Vec<String>,
    pub expected: String,
    pub actual: String,
    pub placement: PlacementView,
    pub latency: Option<LatencyView>,
}

/// Digests of a file's tensors, kept because reading them takes as long as reading the file.
#[derive(Default)]
pub(crate) struct DigestCache(Mutex<Option<Arc<TensorDigests>>>);

impl DigestCache {
    /// Digests of all the tensors that the ranges name and the file has.
    fn of(
        &self,
        verified: &Verified,
        ranges: &[ForeignRange],
        control: &Control,
    ) -> std::result::Result<Arc<TensorDigests>, VramError> {
        // A panic inside left nothing half done: the cache is filled last.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |digests: &Arc<TensorDigests>, name: &str| digests.of(name).is_some();
        let all = |digests: &&Arc<TensorDigests>| ranges.iter().all(|r| known(digests, &r.tensor));
        if let Some(digests) = kept.as_ref().filter(all) {
            return Ok(Arc::clone(digests));
        }
        let before = kept.clone();
        let wanted = |name: &str| {
            let named = ranges.iter().any(|range| range.tensor == name);
            named || before.as_ref().is_some_and(|digests| known(digests, name))
        };
        let digests = Arc::new(TensorDigests::read(verified, wanted, control)?);
        *kept = Some(Arc::clone(&digests));
        Ok(digests)
    }
}

pub(super) fn run(
    verified: &Verified,
    cache: &DigestCache,
    ranges: &[ForeignRange],
    spot: &Spot,
    control: &Control,
) -> Foreign {
    let checked = vault::shared().and_then(|vault| {
        let digests = cache.of(verified, ranges, control)?;
        vault.verify_ranges(spot.device, &digests, ranges, &spot.policy, control)
    });
    match checked {
        Ok(seen) => Foreign {
            failure: None,
            seen: Some(seen.into()),
        },
        Err(error) => Foreign {
            failure: Some(error.into()),
            seen: None,
        },
    }
}

impl TryFrom<Range> for ForeignRange {
    type Error = Error;

    fn try_from(given: Range) -> Result<Self> {
        let (negative, pointer, lossless) = given.pointer.get_u64();
        let bytes = u64::try_from(given.bytes);
        let (false, true, Ok(bytes)) = (negative, lossless, bytes) else {
            return Err(Error::from_reason("no range of device addresses"));
        };
        Ok(Self {
            pointer,
            bytes,
            tensor: given.tensor,
        })
    }
}

impl From<ForeignEvidence> for ForeignView {
    fn from(seen: ForeignEvidence) -> Self {
        Self {
            verdict: seen.verdict.as_str(),
            device_uuid: seen.device.to_string(),
            kernel: seen.kernel.into(),
            root: seen.root.to_string(),
            ranges: seen.ranges.into_iter().map(RangeView::from).collect(),
            bytes_checked: saturating(seen.bytes_checked),
            wall_seconds: seen.wall_seconds,
            resident_fraction_min: seen.resident_fraction_min,
            accounting: seen.accounting.into(),
            at_unix_ms: saturating(seen.at_unix_ms),
        }
    }
}

impl From<RangeEvidence> for RangeView {
    fn from(seen: RangeEvidence) -> Self {
        Self {
            tensor: seen.range.tensor,
            pointer: seen.range.pointer.into(),
            bytes: saturating(seen.range.bytes),
            verdict: seen.verdict.as_str(),
            reasons: seen.reasons,
            expected: seen.expected.to_string(),
            actual: seen.actual.to_string(),
            placement: seen.placement.into(),
            latency: seen.latency.map(LatencyView::from),
        }
    }
}
