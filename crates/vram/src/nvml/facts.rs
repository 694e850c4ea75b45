//! What NVML says, as types. Pure.

use crate::{Addressing, DriverModel};

/// What it says of a device that stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct NvmlFacts {
    pub(crate) driver: Option<String>,
    pub(crate) free_bytes: Option<u64>,
    /// What this process holds.
    pub(crate) process_bytes: Option<u64>,
    pub(crate) ecc: Option<bool>,
    pub(crate) mig: Option<bool>,
    pub(crate) addressing: Option<Addressing>,
    pub(crate) driver_model: Option<DriverModel>,
    /// Generation and lanes, at most.
    pub(crate) pcie_max: Option<(u32, u32)>,
    pub(crate) c2c: Option<bool>,
}

/// What it counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NvmlCounters {
    pub(crate) process_bytes: Option<u64>,
    pub(crate) ecc_uncorrected: Option<u64>,
    pub(crate) row_remap_pending: Option<bool>,
}

/// What NVML writes where it does not know a number of bytes, as always under WDDM.
const NOT_AVAILABLE: u64 = u64::MAX;

/// A process on a device, as NVML lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessUse {
    pub(crate) pid: u32,
    pub(crate) bytes: u64,
}

/// What a process holds, where that is known. Process numbers are the host's: in a container this process may not find
/// itself. A listed process has a context at least, which takes memory: drivers that do not look into containers write 0.
pub(crate) fn used_by(pid: u32, list: &[ProcessUse]) -> Option<u64> {
    let mine = list.iter().find(|one| one.pid == pid)?;
    Some(mine.bytes).filter(|&bytes| bytes != NOT_AVAILABLE && bytes != 0)
}

pub(crate) fn addressing(value: u32) -> Option<Addressing> {
    match value {
        0 => Some(Addressing::Separate),
        1 => Some(Addressing::Hmm),
        2 => Some(Addressing::Ats),
        _ => None,
    }
}

pub(crate) fn driver_model(value: u32) -> Option<DriverModel> {
    match value {
        0 => Some(DriverModel::Wddm),
        1 => Some(DriverModel::Tcc),
        2 => Some(DriverModel::Mcdm),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
