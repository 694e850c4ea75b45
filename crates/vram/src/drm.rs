//! Linux DRM's fdinfo: what a graphics driver counts for each client of this process (amdgpu, Xe, i915; NVIDIA's own
//! driver says nothing of memory there). Pure but for [`of_this_process`].

use crate::PciAddress;
use std::collections::BTreeMap;
use std::fs::{File, read_dir, read_link};
use std::io::Read as _;
use std::path::Path;

/// One opened client of one driver. A number is absent where the driver does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrmClient {
    /// The driver's name, such as `amdgpu`.
    pub driver: String,
    /// Where on the bus the device sits.
    pub pci: Option<PciAddress>,
    /// What the client holds.
    pub memory: DrmMemory,
}

/// Memory that a driver counts, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrmMemory {
    /// In the device's own memory.
    pub resident_bytes: Option<u64>,
    /// In the host's, where the device can reach it.
    pub host_bytes: Option<u64>,
    /// Asked for in the device's memory, wherever it lies now (amdgpu).
    pub requested_bytes: Option<u64>,
    /// Asked for in the device's memory and not there (amdgpu).
    pub evicted_bytes: Option<u64>,
}

/// A descriptor's text is a few hundred bytes.
const TEXT_BYTES_MAX: u64 = 64 << 10;

/// What the drivers count for this process now; nothing where the system has no such files.
pub fn of_this_process() -> Vec<DrmClient> {
    clients(&texts(Path::new("/proc/self")))
}

/// What all clients on this device hold together; what none of them says is absent.
pub fn on_device(clients: &[DrmClient], device: PciAddress) -> DrmMemory {
    sum(clients.iter().filter(|it| it.pci == Some(device)))
}

/// What these clients hold together.
pub fn sum<'a>(clients: impl IntoIterator<Item = &'a DrmClient>) -> DrmMemory {
    let memories = clients.into_iter().map(|client| client.memory);
    memories.fold(DrmMemory::default(), |all, one| DrmMemory {
        resident_bytes: add(all.resident_bytes, one.resident_bytes),
        host_bytes: add(all.host_bytes, one.host_bytes),
        requested_bytes: add(all.requested_bytes, one.requested_bytes),
        evicted_bytes: add(all.evicted_bytes, one.evicted_bytes),
    })
}

/// From the texts of descriptors. Several descriptors of one client say the same, which counts once; what is no DRM
/// descriptor is passed over.
pub(crate) fn clients<T: AsRef<str>>(fdinfo: &[T]) -> Vec<DrmClient> {
    let mut found = BTreeMap::new();
    for text in fdinfo {
        let fields = fields(text.as_ref());
        let named = |name| fields.get(name).copied();
        let (Some(driver), Some(id)) = (named("drm-driver"), named("drm-client-id")) else {
            continue;
        };
        let device = named("drm-pdev");
        let client = DrmClient {
            driver: driver.to_owned(),
            pci: device.and_then(PciAddress::parse),
            memory: memory(&fields),
        };
        let key = (driver.to_owned(), device.map(str::to_owned), id.to_owned());
        found.insert(key, client);
    }
    found.into_values().collect()
}

fn fields(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect()
}

fn memory(fields: &BTreeMap<&str, &str>) -> DrmMemory {
    // Newer drivers say `resident`; the older `memory` says the same.
    let mut regions = BTreeMap::new();
    for kind in ["drm-memory-", "drm-resident-"] {
        for (name, value) in fields {
            if let Some((region, bytes)) = name.strip_prefix(kind).zip(amount(value)) {
                regions.insert(region, bytes);
            }
        }
    }
    let of = |belongs: fn(&str) -> bool| {
        let of = regions.iter().filter(|(region, _)| belongs(region));
        of.fold(None, |all, (_, &bytes)| add(all, Some(bytes)))
    };
    let (resident, host) = (of(is_device), of(is_host));
    let named = |name| fields.get(name).copied().and_then(amount);
    let requested = named("amd-requested-vram");
    let missing = requested.map(|bytes| bytes.saturating_sub(resident.unwrap_or(0)));
    DrmMemory {
        resident_bytes: resident,
        host_bytes: host,
        requested_bytes: requested,
        evicted_bytes: named("amd-evicted-vram").max(missing),
    }
}

/// Of amdgpu and Xe (one a tile), and of i915.
fn is_device(region: &str) -> bool {
    region.starts_with("vram") || region.starts_with("local")
}

fn is_host(region: &str) -> bool {
    region == "gtt" || region == "cpu" || region.starts_with("system")
}

fn amount(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let factor = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn add(all: Option<u64>, one: Option<u64>) -> Option<u64> {
    match (all, one) {
        (Some(all), Some(one)) => Some(all.saturating_add(one)),
        _ => all.or(one),
    }
}

/// The texts of the descriptors that lead to graphics devices, of the process whose folder this is. One that is closed
/// meanwhile has none.
fn texts(process: &Path) -> Vec<String> {
    let Ok(descriptors) = read_dir(process.join("fd")) else {
        return Vec::new();
    };
    let descriptors = descriptors.flatten().filter(|entry| {
        let leads = read_link(entry.path());
        leads.is_ok_and(|to| to.starts_with("/dev/dri"))
    });
    let texts = descriptors.filter_map(|entry| {
        let file = File::open(process.join("fdinfo").join(entry.file_name())).ok()?;
        let mut text = String::new();
        file.take(TEXT_BYTES_MAX).read_to_string(&mut text).ok()?;
        Some(text)
    });
    texts.collect()
}

#[cfg(test)]
mod tests;
