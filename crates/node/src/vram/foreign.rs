//! Weights that another library loaded: hashed where they lie, compared with the verified file.

use std::collections::BTreeSet;
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
    pub reasons: Vec<String>,
    pub device_uuid: String,
    pub kernel: KernelView,
    pub ranges: Vec<RangeView>,
    pub bytes_checked: i64,
    pub wall_seconds: f64,
    pub resident_fraction_min: Option<f64>,
    pub accounting: AccountingView,
    pub at_unix_ms: i64,
}

#[napi(object, object_from_js = false)]
pub(crate) struct RangeView {
    pub part: u32,
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

/// A file of the model, and what is known of its tensors.
pub(crate) struct Digestible {
    pub(crate) file: Arc<Verified>,
    pub(crate) digests: Arc<DigestCache>,
}

impl Digestible {
    /// Digests of those of the tensors that the file has. A file that has none of them is not read.
    fn of(
        &self,
        tensors: &BTreeSet<&str>,
        control: &Control,
    ) -> std::result::Result<Arc<TensorDigests>, VramError> {
        let header = self.file.header();
        let has = |name: &&str| header.tensor_named(name.as_bytes()).is_some();
        let mine: BTreeSet<&str> = tensors.iter().copied().filter(has).collect();
        if mine.is_empty() {
            return Ok(Arc::default());
        }
        self.digests.of(&self.file, &mine, control)
    }
}

impl DigestCache {
    /// Digests of these tensors, and of all that were asked for before.
    fn of(
        &self,
        verified: &Verified,
        tensors: &BTreeSet<&str>,
        control: &Control,
    ) -> std::result::Result<Arc<TensorDigests>, VramError> {
        // A panic inside left nothing half done: the cache is filled last.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |digests: &Arc<TensorDigests>, name: &str| digests.of(name).is_some();
        let all = |digests: &&Arc<TensorDigests>| tensors.iter().all(|name| known(digests, name));
        if let Some(digests) = kept.as_ref().filter(all) {
            return Ok(Arc::clone(digests));
        }
        let before = kept.clone();
        let wanted = |name: &str| {
            tensors.contains(name) || before.as_ref().is_some_and(|digests| known(digests, name))
        };
        let digests = Arc::new(TensorDigests::read(verified, wanted, control)?);
        *kept = Some(Arc::clone(&digests));
        Ok(digests)
    }
}

pub(super) fn run(
    files: &[Digestible],
    ranges: &[ForeignRange],
    spot: &Spot,
    control: &Control,
) -> Foreign {
    let checked = vault::shared().and_then(|vault| {
        let digests = digests_of(files, ranges, control)?;
        let digests: Vec<&TensorDigests> = digests.iter().map(|file| &**file).collect();
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

/// One a file, in order.
fn digests_of(
    files: &[Digestible],
    ranges: &[ForeignRange],
    control: &Control,
) -> std::result::Result<Vec<Arc<TensorDigests>>, VramError> {
    let tensors: BTreeSet<&str> = ranges.iter().map(|range| range.tensor.as_str()).collect();
    let read = (1..).zip(files).map(|(part, file)| {
        let digests = file.of(&tensors, control);
        digests.map_err(|error| error.of_part(part, files.len()))
    });
    read.collect()
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
            reasons: seen.reasons,
            device_uuid: seen.device.to_string(),
            kernel: seen.kernel.into(),
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
            part: seen.part,
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
