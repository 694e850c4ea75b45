//! What devices nobody has at hand are told to be.

use super::super::fixtures::{amd_resizable, intel_integrated, lavapipe, nvidia};
use super::*;
use crate::NotVram;

#[test]
fn a_card_is_vram_and_its_free_memory_is_that_of_the_heap_weights_go_to() {
    let link = link_of("16.0 GT/s PCIe\n", "16\n");
    let device = device_of(&nvidia(), link, DrmMemory::default());
    assert_eq!(device.judge(), Ok(()));
    assert_eq!(device.memory.total_bytes, 24 << 30);
    assert_eq!(device.memory.free_bytes, Some(22 << 30));
    assert_eq!(device.api, "1.3.230");
    assert_eq!(device.driver, "NVIDIA 550.54.14");
    assert_eq!(
        device.link.map(|link| link.name).as_deref(),
        Some("PCIe 4 x16")
    );
    assert!(!device.can_protect, "Vulkan has no read-only memory");
}

#[test]
fn without_a_budget_nobody_says_what_is_free() {
    let device = device_of(&amd_resizable(), None, DrmMemory::default());
    assert_eq!(device.judge(), Ok(()));
    assert_eq!(device.memory.total_bytes, 16 << 30);
    assert_eq!(device.memory.free_bytes, None);
}

#[test]
fn what_shares_the_hosts_memory_is_never_vram() {
    let judged = |facts: &VulkanFacts| device_of(facts, None, DrmMemory::default()).judge();
    assert_eq!(judged(&intel_integrated()), Err(NotVram::Integrated));
    assert_eq!(judged(&lavapipe()), Err(NotVram::Software));
    for (kind, why) in [
        (vk::PhysicalDeviceType::VIRTUAL_GPU, NotVram::Unknown),
        (vk::PhysicalDeviceType::OTHER, NotVram::Unknown),
        (vk::PhysicalDeviceType::from_raw(77), NotVram::Unknown),
    ] {
        let facts = VulkanFacts { kind, ..nvidia() };
        assert_eq!(judged(&facts), Err(why), "{kind:?}");
    }
}

#[test]
fn a_driver_without_a_name_has_its_number() {
    let device = device_of(&lavapipe(), None, DrmMemory::default());
    assert_eq!(device.driver, "version 0x1234");
}

#[test]
fn a_device_without_memory_of_its_own_has_none() {
    let mut facts = nvidia();
    facts.heaps.clear();
    let memory = device_of(&facts, None, DrmMemory::default()).memory;
    assert_eq!((memory.total_bytes, memory.free_bytes), (0, None));
}

#[test]
fn a_link_is_what_it_can_become_or_unknown() {
    let name = |speed, width| link_of(speed, width).map(|link| link.name);
    assert_eq!(name("32.0 GT/s PCIe", "16").as_deref(), Some("PCIe 5 x16"));
    assert_eq!(name("8.0 GT/s", "4").as_deref(), Some("PCIe 3 x4"));
    assert_eq!(name("2.5 GT/s PCIe", "1").as_deref(), Some("PCIe 1 x1"));
    for (speed, width) in [
        ("Unknown", "16"),
        ("", "16"),
        ("16.0 GT/s PCIe", "0"),
        ("16.0 GT/s PCIe", "-1"),
        ("16.0 GT/s PCIe", ""),
    ] {
        assert_eq!(name(speed, width), None, "{speed:?} {width:?}");
    }
}

#[test]
fn what_the_kernel_counts_goes_before_the_drivers_estimate() {
    let budget = Some(Budget {
        used_bytes: 5,
        budget_bytes: 12,
    });
    let counted = DrmMemory {
        resident_bytes: Some(3),
        evicted_bytes: Some(2),
        ..DrmMemory::default()
    };
    let numbers = |budget, counted| {
        let usage = usage_of(20, budget, counted);
        (usage.free_bytes, usage.process_bytes, usage.evicted_bytes)
    };
    assert_eq!(numbers(budget, counted), (Some(7), Some(3), Some(2)));
    let nothing = DrmMemory::default();
    assert_eq!(numbers(budget, nothing), (Some(7), Some(5), None));
    assert_eq!(numbers(None, nothing), (None, None, None));
    assert_eq!(numbers(None, counted), (None, Some(3), Some(2)));
    let memory = device_of(&amd_resizable(), None, counted).memory;
    assert_eq!(
        (memory.process_bytes, memory.evicted_bytes),
        (Some(3), Some(2))
    );
}
