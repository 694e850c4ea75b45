//! Devices as plain values.

use napi_derive::napi;
use vram::{BackendKind, Device};

use super::failure::VramFailure;
use super::vault;
use crate::control::saturating;
use crate::thread::Held;

/// All devices, and why there are no more: one failure an interface that does not answer.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct Devices {
    pub devices: Vec<DeviceView>,
    pub absent: Vec<VramFailure>,
}

impl Held for Devices {}

#[napi(object, object_from_js = false)]
pub(crate) struct DeviceView {
    pub backend: &'static str,
    pub index: u32,
    pub name: String,
    pub uuid: String,
    pub pci: Option<String>,
    pub total_bytes: i64,
    pub free_bytes: Option<i64>,
    /// What this process holds of it, and what it asked for there and the driver has elsewhere.
    pub process_bytes: Option<i64>,
    pub evicted_bytes: Option<i64>,
    pub kind: &'static str,
    /// Why its memory may not be called VRAM.
    pub not_vram: Option<String>,
    pub ecc: Option<bool>,
    pub driver: String,
    pub api: String,
    pub driver_model: Option<&'static str>,
    pub mig: Option<bool>,
    pub addressing: Option<&'static str>,
    pub link: Option<LinkView>,
    pub cache_bytes: Option<i64>,
    pub peak_bytes_per_second: Option<f64>,
    pub can_protect: bool,
}

/// The fastest way by which bytes reach the device from elsewhere.
#[napi(object, object_from_js = false)]
pub(crate) struct LinkView {
    pub bytes_per_second: f64,
    pub name: String,
}

/// Asks every interface anew, or one alone, in which case no other is loaded.
pub(super) fn run(wanted: Option<BackendKind>) -> Devices {
    match vault::shared() {
        Ok(vault) => {
            let found = vault.devices(wanted);
            Devices {
                devices: found.devices.into_iter().map(DeviceView::from).collect(),
                absent: found.absent.into_iter().map(VramFailure::from).collect(),
            }
        }
        Err(error) => Devices {
            absent: vec![error.into()],
            ..Devices::default()
        },
    }
}

impl From<Device> for DeviceView {
    fn from(device: Device) -> Self {
        Self {
            not_vram: device.judge().err().map(|why| why.to_string()),
            backend: device.backend.as_str(),
            index: device.index,
            name: device.name,
            uuid: device.uuid.to_string(),
            pci: device.pci.map(|pci| pci.to_string()),
            total_bytes: saturating(device.memory.total_bytes),
            free_bytes: device.memory.free_bytes.map(saturating),
            process_bytes: device.memory.process_bytes.map(saturating),
            evicted_bytes: device.memory.evicted_bytes.map(saturating),
            kind: device.kind.as_str(),
            ecc: device.ecc,
            driver: device.driver,
            api: device.api,
            driver_model: device.driver_model.map(vram::DriverModel::as_str),
            mig: device.mig,
            addressing: device.addressing.map(vram::Addressing::as_str),
            link: device.link.map(|link| LinkView {
                bytes_per_second: link.bytes_per_second,
                name: link.name,
            }),
            cache_bytes: device.cache_bytes.map(saturating),
            peak_bytes_per_second: device.peak_bytes_per_second,
            can_protect: device.can_protect,
        }
    }
}
