//! Weights that another library loaded: hashed where they lie, and compared with the verified file.
//!
//! It proves of each range that its bytes are the tensor's, that the driver calls the memory the device's,
//! and, by its pages' latency, that they answer like it. It does not prove that the engine uses this copy,
//! nor anything of tensors that nobody names: those are listed.

mod shown;

use crate::comparison::slice_tiles;
use crate::shard::{Watch, unix_ms};
use crate::timing::as_f64;
use crate::verdict::{Baseline, Seen, judge};
use crate::{
    Access, Accounting, Code, Content, DeviceUuid, Gpu, KernelFacts, Latency, Level, Memory,
    Placement, Policy, RootJob, TensorDigest, TensorDigests, Timing, Verdict, VramError, latency,
    self_test,
};
use digest::{Blake3Digest, Tiling};
use shown::{fraction_shown, together};

/// Where an engine keeps a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignRange {
    /// The device address of its first byte, in this process's primary context.
    pub pointer: u64,
    /// Bytes there: exactly those of the tensor, without padding.
    pub bytes: u64,
    /// The tensor's name.
    pub tensor: String,
}

/// What one range showed.
#[derive(Clone, Debug)]
pub struct RangeEvidence {
    /// Which file of the model its tensor is in, counted from 1.
    pub part: u32,
    /// The range.
    pub range: ForeignRange,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why it is not `resident`.
    pub reasons: Vec<String>,
    /// What the file has.
    pub expected: Blake3Digest,
    /// What is there.
    pub actual: Blake3Digest,
    /// What the driver says of it.
    pub placement: Placement,
    /// How fast its pages answer.
    pub latency: Option<Latency>,
}

/// What all ranges showed.
#[derive(Clone, Debug)]
pub struct ForeignEvidence {
    /// The worst of the ranges' verdicts; `inconclusive` where there is no range.
    pub verdict: Verdict,
    /// Why all of them together are not `resident`, where no single one says it.
    pub reasons: Vec<String>,
    /// The device.
    pub device: DeviceUuid,
    /// The kernels that computed it.
    pub kernel: KernelFacts,
    /// One a range, in order.
    pub ranges: Vec<RangeEvidence>,
    /// Tensors of the digests that no range names: nothing is known of them.
    pub tensors_unchecked: Vec<String>,
    /// Bytes that were hashed.
    pub bytes_checked: u64,
    /// Seconds that hashing took, by the host's clock.
    pub wall_seconds: f64,
    /// The least fraction of the bytes that must have lain on the device. See [`Timing`].
    pub resident_fraction_min: Option<f64>,
    /// What the driver counts.
    pub accounting: Accounting,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
}

/// A range's tensor: which file has it, and what it is there.
#[derive(Clone, Copy)]
struct Expected {
    part: u32,
    digest: TensorDigest,
}

/// Checks all ranges, whichever of the model's files their tensors are in. The files' side was read before.
pub(crate) fn check(
    gpu: &dyn Gpu,
    files: &[&TensorDigests],
    ranges: &[ForeignRange],
    policy: &Policy,
    watch: Watch<'_>,
) -> Result<ForeignEvidence, VramError> {
    policy.admit(gpu.device())?;
    // All of them first: a list with a mistake in it is refused before anything is hashed.
    let expected: Result<Vec<Expected>, VramError> = ranges
        .iter()
        .map(|range| expected_of(files, range))
        .collect();
    let scale = latency::scale(gpu)?;
    let accounting = gpu.usage()?;
    let mut wall_seconds = 0.0;
    let mut seen = Vec::with_capacity(ranges.len());
    for (range, expected) in ranges.iter().zip(expected?) {
        watch.going()?;
        let looked = one(gpu, range, expected, policy, (scale, &accounting), watch);
        let (evidence, took) = looked.map_err(|error| error.of_part(expected.part, files.len()))?;
        wall_seconds += took;
        seen.push(evidence);
    }
    let bytes_checked = ranges.iter().map(|range| range.bytes).sum();
    let device = gpu.device();
    let fraction = fraction_shown(device, ranges, wall_seconds);
    let worst = Verdict::worst(seen.iter().map(|range| range.verdict));
    let (verdict, reasons) = together(worst, policy, fraction);
    Ok(ForeignEvidence {
        verdict,
        reasons,
        device: device.uuid,
        kernel: gpu.kernel().clone(),
        tensors_unchecked: unchecked(files, ranges),
        ranges: seen,
        bytes_checked,
        wall_seconds,
        resident_fraction_min: fraction,
        accounting,
        at_unix_ms: unix_ms(),
    })
}

fn expected_of(files: &[&TensorDigests], range: &ForeignRange) -> Result<Expected, VramError> {
    let ForeignRange { tensor, bytes, .. } = range;
    let refused = |message| VramError::new(Code::BadRange, message);
    let mut numbered = (1..).zip(files);
    let found = numbered.find_map(|(part, file)| {
        let digest = file.of(tensor)?;
        Some(Expected { part, digest })
    });
    match found {
        None => Err(refused(format!("the model has no tensor {tensor:?}"))),
        Some(Expected { part, digest }) if digest.bytes != *bytes => {
            let message = format!("tensor {tensor:?} has {} bytes, not {bytes}", digest.bytes);
            Err(refused(message).of_part(part, files.len()))
        }
        Some(expected) => Ok(expected),
    }
}

fn one(
    gpu: &dyn Gpu,
    range: &ForeignRange,
    Expected { part, digest }: Expected,
    policy: &Policy,
    (scale, accounting): (Option<(u32, u32)>, &Accounting),
    watch: Watch<'_>,
) -> Result<(RangeEvidence, f64), VramError> {
    let mut memory = gpu.foreign(range.pointer, range.bytes)?;
    let placement = memory.placement()?;
    // Timed before anything else touches the memory: what does so first may have it brought in.
    let before = watch.clock.now();
    let job = RootJob::of(Tiling::of(range.bytes), None, slice_tiles(gpu.device()));
    let actual = memory.root(&RootJob {
        going: &|| watch.going(),
        ..job
    })?;
    let took = watch.clock.now().saturating_sub(before).as_secs_f64();
    let latency = latency_of(&mut *memory, scale)?;
    let content = Content {
        bytes_total: range.bytes,
        bytes_checked: range.bytes,
        bad_tiles_count: u64::from(actual != digest.blake3),
        ..Content::default()
    };
    let timing = Timing {
        wall_seconds: took,
        bytes_per_second: if took > 0.0 {
            as_f64(range.bytes) / took
        } else {
            0.0
        },
        latency: latency.clone(),
        ..Timing::default()
    };
    // A single tensor is too small for time to say anything: that is said of all of them together.
    let policy = Policy {
        resident_fraction_min: None,
        ..policy.clone()
    };
    let baseline = Baseline {
        device: gpu.device(),
        policy: &policy,
        access: Access::ReadWrite,
        allocation_id: None,
        ecc_uncorrected: None,
    };
    let seen = Seen {
        level: &Level::Full,
        accounting,
        placement: &placement,
        content: &content,
        timing: &timing,
        slow: false,
    };
    let (verdict, mut reasons) = judge(&baseline, &seen);
    if content.bad_tiles_count > 0
        && let Some(first) = reasons.first_mut()
    {
        "the bytes are not the tensor's".clone_into(first);
    }
    let evidence = RangeEvidence {
        part,
        range: range.clone(),
        verdict,
        reasons,
        expected: digest.blake3,
        actual,
        placement,
        latency,
    };
    Ok((evidence, took))
}

fn latency_of(
    memory: &mut dyn Memory,
    scale: Option<(u32, u32)>,
) -> Result<Option<Latency>, VramError> {
    let mut seed = [0; 4];
    self_test::fill(&mut seed)?;
    let pages = memory.latency(u32::from_le_bytes(seed))?;
    Ok(pages.map(|pages| latency::summary(&pages, scale)))
}

fn unchecked(files: &[&TensorDigests], ranges: &[ForeignRange]) -> Vec<String> {
    let named: std::collections::BTreeSet<&str> =
        ranges.iter().map(|range| range.tensor.as_str()).collect();
    let all = files.iter().flat_map(|file| file.iter());
    let all = all.map(|(name, _)| name);
    all.filter(|name| !named.contains(name))
        .map(str::to_owned)
        .collect()
}
