//! NVML, NVIDIA's management library: counters and facts that the CUDA driver does not give. Absent it is no error.

mod facts;
#[allow(
    unsafe_code,
    reason = "the library is C: every call into it is unsafe, and all of them stand here"
)]
mod sys;

pub(crate) use facts::{NvmlCounters, NvmlFacts};
use sys::{DeviceHandle, Library};

use crate::DeviceUuid;

/// The library, opened and started.
pub(crate) struct Nvml(Library);

impl Nvml {
    /// Nothing where the library is missing or does not start: then its facts are missing too.
    pub(crate) fn open() -> Option<Self> {
        Library::open().map(Self)
    }

    /// What does not change while the process runs, the memory that is free now, and what this process holds of it.
    pub(crate) fn facts(&self, uuid: &DeviceUuid) -> Option<NvmlFacts> {
        let (device, slice) = self.find(uuid)?;
        let library = &self.0;
        let lanes = library.max_pcie_lanes(device);
        Some(NvmlFacts {
            driver: library.driver_version(),
            free_bytes: library.free_bytes(device),
            process_bytes: self.process_bytes(device),
            ecc: library.ecc(device),
            mig: library
                .mig(device)
                .map(|mig| mig || slice)
                .or(slice.then_some(true)),
            addressing: library.addressing(device).and_then(facts::addressing),
            driver_model: library.driver_model(device).and_then(facts::driver_model),
            pcie_max: library.max_pcie_generation(device).zip(lanes),
            c2c: library.c2c(device),
        })
    }

    /// What changes.
    pub(crate) fn counters(&self, uuid: &DeviceUuid) -> Option<NvmlCounters> {
        let (device, _) = self.find(uuid)?;
        let remapped = self.0.remapped_rows(device);
        Some(NvmlCounters {
            process_bytes: self.process_bytes(device),
            ecc_uncorrected: self.0.ecc_uncorrected(device),
            row_remap_pending: remapped.map(|rows| rows.pending),
        })
    }

    /// What this process holds of the device.
    fn process_bytes(&self, device: DeviceHandle) -> Option<u64> {
        facts::used_by(std::process::id(), &self.0.processes(device)?)
    }

    /// The device, and whether it is a slice of one, which has a UUID of its own under another prefix.
    fn find(&self, uuid: &DeviceUuid) -> Option<(DeviceHandle, bool)> {
        let name = uuid.to_string();
        if let Some(device) = self.0.device(&name) {
            return Some((device, false));
        }
        let slice = self.0.device(&name.replacen("GPU-", "MIG-", 1))?;
        Some((slice, true))
    }
}
