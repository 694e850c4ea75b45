//! From what the drivers say to a [`Device`]. Pure functions, so that systems nobody has at hand can be told by
//! what they were seen to say.

use crate::nvml::NvmlFacts;
use crate::{
    Addressing, BackendKind, Device, DeviceKind, DeviceMemory, DeviceUuid, DriverModel, Link,
    PciAddress,
};

/// What the CUDA driver said of one device. A fact is absent where the driver does not know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CudaFacts {
    pub(crate) ordinal: u32,
    pub(crate) name: String,
    pub(crate) uuid: [u8; 16],
    pub(crate) bus: Option<String>,
    pub(crate) total_bytes: u64,
    pub(crate) driver_version: i32,
    pub(crate) integrated: Option<i32>,
    pub(crate) ecc: Option<i32>,
    pub(crate) tcc: Option<i32>,
    pub(crate) memory_clock_kilohertz: Option<i32>,
    pub(crate) bus_width_bits: Option<i32>,
    pub(crate) l2_cache_bytes: Option<i32>,
    pub(crate) pageable_memory_access: Option<i32>,
    pub(crate) host_page_tables: Option<i32>,
    pub(crate) virtual_memory_management: Option<i32>,
    pub(crate) windows: bool,
}

pub(crate) fn device_of(cuda: &CudaFacts, nvml: Option<&NvmlFacts>) -> Device {
    Device {
        backend: BackendKind::Cuda,
        index: cuda.ordinal,
        name: cuda.name.clone(),
        uuid: DeviceUuid::from(cuda.uuid),
        pci: cuda.bus.as_deref().and_then(PciAddress::parse),
        memory: DeviceMemory {
            total_bytes: cuda.total_bytes,
            free_bytes: nvml.and_then(|nvml| nvml.free_bytes),
            process_bytes: nvml.and_then(|nvml| nvml.process_bytes),
            evicted_bytes: None,
        },
        kind: kind(cuda),
        ecc: cuda
            .ecc
            .map(is_set)
            .or_else(|| nvml.and_then(|nvml| nvml.ecc)),
        driver: nvml
            .and_then(|nvml| nvml.driver.clone())
            .unwrap_or_else(|| format!("CUDA {}", api(cuda.driver_version))),
        api: api(cuda.driver_version),
        driver_model: driver_model(cuda, nvml),
        mig: nvml.and_then(|nvml| nvml.mig),
        addressing: addressing(cuda, nvml),
        link: nvml.and_then(link),
        cache_bytes: cuda
            .l2_cache_bytes
            .and_then(|bytes| u64::try_from(bytes).ok()),
        peak_bytes_per_second: peak(cuda),
        can_protect: cuda.virtual_memory_management.is_some_and(is_set),
    }
}

fn is_set(value: i32) -> bool {
    value != 0
}

/// Only a clear no makes a device discrete.
fn kind(cuda: &CudaFacts) -> DeviceKind {
    match cuda.integrated {
        Some(0) => DeviceKind::Discrete,
        Some(_) => DeviceKind::Integrated,
        None => DeviceKind::Unknown,
    }
}

fn api(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

fn driver_model(cuda: &CudaFacts, nvml: Option<&NvmlFacts>) -> Option<DriverModel> {
    let said = nvml.and_then(|nvml| nvml.driver_model);
    let unless_tcc = || match cuda.tcc {
        Some(tcc) if is_set(tcc) => DriverModel::Tcc,
        _ => DriverModel::Wddm,
    };
    cuda.windows.then(|| said.unwrap_or_else(unless_tcc))
}

/// NVML says it plainly, where it is new enough; else the attributes do.
fn addressing(cuda: &CudaFacts, nvml: Option<&NvmlFacts>) -> Option<Addressing> {
    let said = nvml.and_then(|nvml| nvml.addressing);
    said.or(
        match (cuda.pageable_memory_access?, cuda.host_page_tables) {
            (0, _) => Some(Addressing::Separate),
            (_, Some(tables)) if is_set(tables) => Some(Addressing::Ats),
            (_, Some(_)) => Some(Addressing::Hmm),
            (_, None) => None,
        },
    )
}

/// What Grace's chip-to-chip link carries in one direction.
const C2C_BYTES_PER_SECOND: f64 = 450.0e9;

/// The widest that the link can become, not what it is now: an idle link sleeps at a lower speed.
fn link(nvml: &NvmlFacts) -> Option<Link> {
    if nvml.c2c == Some(true) {
        return Some(Link {
            bytes_per_second: C2C_BYTES_PER_SECOND,
            name: "NVLink-C2C".to_owned(),
        });
    }
    let (generation, lanes) = nvml.pcie_max?;
    Link::pcie(generation, lanes)
}

/// Two transfers a clock, so many bits each.
fn peak(cuda: &CudaFacts) -> Option<f64> {
    let (kilohertz, bits) = (cuda.memory_clock_kilohertz?, cuda.bus_width_bits?);
    let bytes = 2.0 * f64::from(kilohertz) * 1000.0 * f64::from(bits) / 8.0;
    (bytes > 0.0).then_some(bytes)
}

#[cfg(test)]
mod tests;
