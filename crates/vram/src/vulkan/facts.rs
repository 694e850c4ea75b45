//! From what a Vulkan driver says to a [`Device`]. Pure functions, so that systems nobody has at hand
//! can be told by what they were seen to say.

use super::choice::weights_heap;
use crate::drm::DrmMemory;
use crate::{BackendKind, Device, DeviceKind, DeviceMemory, DeviceUuid, Link, PciAddress, Usage};
use ash::vk;
use std::ffi::{CStr, CString};

/// What a driver said of one device.
#[derive(Clone)]
pub(crate) struct VulkanFacts {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) uuid: [u8; 16],
    pub(crate) kind: vk::PhysicalDeviceType,
    pub(crate) api_version: u32,
    pub(crate) driver_version: u32,
    pub(crate) driver: Option<String>,
    pub(crate) pci: Option<PciAddress>,
    pub(crate) timestamp_period_nanos: f32,
    pub(crate) families: Vec<vk::QueueFamilyProperties>,
    pub(crate) types: Vec<vk::MemoryType>,
    pub(crate) heaps: Vec<vk::MemoryHeap>,
    /// One for each heap, or none at all.
    pub(crate) budget: Vec<Budget>,
    pub(crate) extensions: Vec<CString>,
}

impl VulkanFacts {
    /// Whether the driver has an extension.
    pub(crate) fn knows(&self, name: &CStr) -> bool {
        self.extensions.iter().any(|one| one.as_c_str() == name)
    }
}
/// What this process holds of a heap, and what it may hold before something is pushed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) used_bytes: u64,
    pub(crate) budget_bytes: u64,
}

impl Budget {
    pub(crate) fn free_bytes(self) -> u64 {
        self.budget_bytes.saturating_sub(self.used_bytes)
    }
}

/// `link` is the way to the device, and `counted` what this process holds there, where the system says.
pub(crate) fn device_of(facts: &VulkanFacts, link: Option<Link>, counted: DrmMemory) -> Device {
    Device {
        backend: BackendKind::Vulkan,
        index: facts.index,
        name: facts.name.clone(),
        uuid: DeviceUuid::from(facts.uuid),
        pci: facts.pci,
        memory: memory(facts, counted),
        kind: kind(facts.kind),
        ecc: None,
        driver: facts
            .driver
            .clone()
            .unwrap_or_else(|| format!("version {:#x}", facts.driver_version)),
        api: version(facts.api_version),
        driver_model: None,
        mig: None,
        addressing: None,
        link,
        cache_bytes: None,
        peak_bytes_per_second: None,
        can_protect: false,
    }
}

/// That of the heap which weights go to; a device without one has none.
fn memory(facts: &VulkanFacts, counted: DrmMemory) -> DeviceMemory {
    let heap = weights_heap(&facts.types, &facts.heaps);
    let size = heap.and_then(|heap| facts.heaps.get(heap));
    let budget = heap.and_then(|heap| facts.budget.get(heap));
    DeviceMemory {
        total_bytes: size.map_or(0, |heap| heap.size),
        free_bytes: budget.map(|budget| budget.free_bytes()),
        process_bytes: counted.resident_bytes,
        evicted_bytes: counted.evicted_bytes,
    }
}

/// The driver's counters now. What the system's kernel counts for this process goes before the driver's estimate of
/// the same; what was pushed out only the kernel knows.
pub(crate) fn usage_of(total_bytes: u64, budget: Option<Budget>, counted: DrmMemory) -> Usage {
    Usage {
        total_bytes,
        free_bytes: budget.map(Budget::free_bytes),
        process_bytes: counted
            .resident_bytes
            .or(budget.map(|budget| budget.used_bytes)),
        evicted_bytes: counted.evicted_bytes,
        ecc_uncorrected: None,
        row_remap_pending: None,
    }
}

fn kind(kind: vk::PhysicalDeviceType) -> DeviceKind {
    match kind {
        vk::PhysicalDeviceType::DISCRETE_GPU => DeviceKind::Discrete,
        vk::PhysicalDeviceType::INTEGRATED_GPU => DeviceKind::Integrated,
        vk::PhysicalDeviceType::CPU => DeviceKind::Cpu,
        vk::PhysicalDeviceType::VIRTUAL_GPU => DeviceKind::Virtual,
        _ => DeviceKind::Unknown,
    }
}

fn version(packed: u32) -> String {
    let (major, minor) = (vk::api_version_major(packed), vk::api_version_minor(packed));
    format!("{major}.{minor}.{}", vk::api_version_patch(packed))
}

/// The widest that the link can become, from Linux's `max_link_speed` and `max_link_width`: an idle
/// link sleeps at a lower speed.
pub(crate) fn link_of(speed: &str, width: &str) -> Option<Link> {
    let generation = match speed.split_whitespace().next()? {
        "2.5" => 1,
        "5.0" | "5" => 2,
        "8.0" | "8" => 3,
        "16.0" | "16" => 4,
        "32.0" | "32" => 5,
        "64.0" | "64" => 6,
        _ => return None,
    };
    Link::pcie(generation, width.trim().parse().ok()?)
}

#[cfg(test)]
mod tests;
