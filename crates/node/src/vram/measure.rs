//! How fast a device hashes, as plain values.

use napi_derive::napi;
use verify::Control;
use vram::{KernelMeasured, Measured};

use super::failure::VramFailure;
use super::place::Spot;
use super::vault;
use crate::control::saturating;
use crate::thread::Held;

/// Rates in bytes a second, or why there are none.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct MeasuredView {
    pub failure: Option<VramFailure>,
    pub bytes: i64,
    pub hash_bytes_per_second: f64,
    pub device_hash_bytes_per_second: Option<f64>,
    pub copy_bytes_per_second: Option<f64>,
    /// Seconds that the driver took to compile and load the kernels.
    pub load_seconds: Option<f64>,
    /// Each kernel that could have been used, alone.
    pub kernels: Vec<KernelMeasuredView>,
}

/// Bytes a second of one kernel.
#[napi(object, object_from_js = false)]
pub(crate) struct KernelMeasuredView {
    pub name: &'static str,
    pub bytes_per_second: f64,
}

impl Held for MeasuredView {}

pub(super) fn run(spot: &Spot, bytes: u64, control: &Control) -> MeasuredView {
    let measured = vault::shared()
        .and_then(|vault| vault.measure(spot.device, Some(spot.backend), bytes, control));
    match measured {
        Ok(measured) => measured.into(),
        Err(error) => MeasuredView {
            failure: Some(error.into()),
            ..MeasuredView::default()
        },
    }
}

impl From<Measured> for MeasuredView {
    fn from(measured: Measured) -> Self {
        Self {
            failure: None,
            bytes: saturating(measured.bytes),
            hash_bytes_per_second: measured.hash_bytes_per_second,
            device_hash_bytes_per_second: measured.device_hash_bytes_per_second,
            copy_bytes_per_second: measured.copy_bytes_per_second,
            load_seconds: measured.load_seconds,
            kernels: measured.kernels.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<KernelMeasured> for KernelMeasuredView {
    fn from(measured: KernelMeasured) -> Self {
        Self {
            name: measured.name,
            bytes_per_second: measured.bytes_per_second,
        }
    }
}
