//! Devices nobody has at hand, as their drivers were seen to describe themselves.

use super::facts::{Budget, VulkanFacts};
use crate::PciAddress;
use ash::vk::{self, MemoryHeapFlags, MemoryPropertyFlags as Flags, QueueFlags};

const LOCAL: Flags = Flags::DEVICE_LOCAL;
const SEEN: Flags = Flags::from_raw(Flags::HOST_VISIBLE.as_raw() | Flags::HOST_COHERENT.as_raw());
const CACHED: Flags = Flags::HOST_CACHED;

const GIB: u64 = 1 << 30;

/// A card of 24 GiB; the host sees a window of 246 MiB of it.
pub(super) fn nvidia() -> VulkanFacts {
    let types = [
        (Flags::empty(), 1),
        (LOCAL, 0),
        (SEEN, 1),
        (SEEN | CACHED, 1),
        (LOCAL | SEEN, 2),
    ];
    let heaps = [(24 * GIB, true), (47 * GIB, false), (246 << 20, true)];
    let graphics = QueueFlags::GRAPHICS | QueueFlags::COMPUTE | QueueFlags::TRANSFER;
    let families = [
        graphics,
        QueueFlags::TRANSFER,
        QueueFlags::COMPUTE | QueueFlags::TRANSFER,
    ];
    VulkanFacts {
        name: "NVIDIA GeForce RTX 3090".to_owned(),
        kind: vk::PhysicalDeviceType::DISCRETE_GPU,
        driver: Some("NVIDIA 550.54.14".to_owned()),
        pci: PciAddress::parse("0000:65:00.0"),
        budget: vec![
            budget(GIB, 23 * GIB),
            budget(0, 47 * GIB),
            budget(0, 240 << 20),
        ],
        ..described(&types, &heaps, &families)
    }
}

/// A card of 16 GiB all of which the host sees, in types of their own.
pub(super) fn amd_resizable() -> VulkanFacts {
    let types = [
        (LOCAL, 0),
        (LOCAL, 0),
        (SEEN, 1),
        (LOCAL | SEEN, 0),
        (SEEN | CACHED, 1),
        (
            LOCAL | SEEN | Flags::DEVICE_COHERENT_AMD | Flags::DEVICE_UNCACHED_AMD,
            0,
        ),
    ];
    let heaps = [(16 * GIB, true), (31 * GIB, false)];
    let families = [
        QueueFlags::GRAPHICS | QueueFlags::COMPUTE,
        QueueFlags::COMPUTE,
    ];
    VulkanFacts {
        name: "AMD Radeon RX 7800 XT (RADV NAVI32)".to_owned(),
        kind: vk::PhysicalDeviceType::DISCRETE_GPU,
        driver: Some("radv Mesa 24.2.8".to_owned()),
        ..described(&types, &heaps, &families)
    }
}

/// A processor's own graphics: one heap, which is the host's memory.
pub(super) fn intel_integrated() -> VulkanFacts {
    let types = [(LOCAL, 0), (LOCAL | SEEN, 0), (LOCAL | SEEN | CACHED, 0)];
    VulkanFacts {
        name: "Intel(R) UHD Graphics 770 (ADL-S GT1)".to_owned(),
        kind: vk::PhysicalDeviceType::INTEGRATED_GPU,
        driver: Some("Intel open-source Mesa driver Mesa 23.1.4".to_owned()),
        ..described(
            &types,
            &[(31 * GIB, true)],
            &[QueueFlags::GRAPHICS | QueueFlags::COMPUTE],
        )
    }
}

/// No device at all.
pub(super) fn lavapipe() -> VulkanFacts {
    VulkanFacts {
        name: "llvmpipe (LLVM 15.0.6, 256 bits)".to_owned(),
        kind: vk::PhysicalDeviceType::CPU,
        ..described(
            &[(LOCAL | SEEN | CACHED, 0)],
            &[(2 * GIB, true)],
            &[QueueFlags::GRAPHICS | QueueFlags::COMPUTE | QueueFlags::TRANSFER],
        )
    }
}

fn described(
    types: &[(Flags, u32)],
    heaps: &[(u64, bool)],
    families: &[QueueFlags],
) -> VulkanFacts {
    let memory_type = |&(property_flags, heap_index): &(Flags, u32)| vk::MemoryType {
        property_flags,
        heap_index,
    };
    let heap = |&(size, local): &(u64, bool)| vk::MemoryHeap {
        size,
        flags: if local {
            MemoryHeapFlags::DEVICE_LOCAL
        } else {
            MemoryHeapFlags::empty()
        },
    };
    let family = |&queue_flags: &QueueFlags| vk::QueueFamilyProperties {
        queue_flags,
        queue_count: 1,
        timestamp_valid_bits: 64,
        ..Default::default()
    };
    VulkanFacts {
        index: 0,
        name: String::new(),
        uuid: *b"sixteen of bytes",
        kind: vk::PhysicalDeviceType::OTHER,
        api_version: vk::make_api_version(0, 1, 3, 230),
        driver_version: 0x1234,
        driver: None,
        pci: None,
        timestamp_period_nanos: 1.0,
        families: families.iter().map(family).collect(),
        types: types.iter().map(memory_type).collect(),
        heaps: heaps.iter().map(heap).collect(),
        budget: Vec::new(),
        extensions: Vec::new(),
    }
}

fn budget(used_bytes: u64, budget_bytes: u64) -> Budget {
    Budget {
        used_bytes,
        budget_bytes,
    }
}
