//! Where to seal and under which rules, as they come from JavaScript.

use napi::bindgen_prelude::{Error, Result, Uint8Array};
use napi_derive::napi;
use vram::{BackendKind, DeviceUuid, Policy, SealKey};

#[napi(object, object_to_js = false)]
pub struct Place {
    pub backend: String,
    pub device_uuid: String,
    pub policy: VramPolicy,
    /// What the seal's key is derived from, at least 32 bytes; absent for a key of this process's own.
    pub secret: Option<Uint8Array>,
}

#[napi(object, object_to_js = false)]
pub struct VramPolicy {
    pub require_ecc: bool,
    pub require_read_only: bool,
    pub allow_unified: bool,
    pub headroom_bytes: i64,
    pub resident_fraction_min: Option<f64>,
    pub slow_pages_max: i64,
    pub slow_factor: f64,
    pub tries_max: u32,
}

/// The same, parsed.
pub(super) struct Spot {
    pub(super) backend: BackendKind,
    pub(super) device: DeviceUuid,
    pub(super) policy: Policy,
    pub(super) key: Option<SealKey>,
}

impl TryFrom<Place> for Spot {
    type Error = Error;

    fn try_from(given: Place) -> Result<Self> {
        let device = DeviceUuid::parse(&given.device_uuid);
        Ok(Self {
            backend: backend_named(&given.backend)?,
            device: device.ok_or_else(|| Error::from_reason("no UUID of a device"))?,
            policy: given.policy.into(),
            key: given.secret.map(|secret| SealKey::derive(&secret)),
        })
    }
}

pub(super) fn backend_named(name: &str) -> Result<BackendKind> {
    let known = [BackendKind::Cuda, BackendKind::Vulkan];
    let found = known.into_iter().find(|kind| kind.as_str() == name);
    found.ok_or_else(|| Error::from_reason("an interface of no known name"))
}

/// A number that is negative cannot come from our own JavaScript; from elsewhere it must not widen anything.
impl From<VramPolicy> for Policy {
    fn from(given: VramPolicy) -> Self {
        Self {
            require_ecc: given.require_ecc,
            require_read_only: given.require_read_only,
            allow_unified: given.allow_unified,
            headroom_bytes: u64::try_from(given.headroom_bytes).unwrap_or(u64::MAX),
            resident_fraction_min: given.resident_fraction_min,
            slow_pages_max: u64::try_from(given.slow_pages_max).unwrap_or(0),
            slow_factor: given.slow_factor,
            tries_max: given.tries_max,
        }
    }
}
