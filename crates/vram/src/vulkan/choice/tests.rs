//! Which memory and which queue devices nobody has at hand are used by.

use super::super::facts::VulkanFacts;
use super::super::fixtures::{amd_resizable, intel_integrated, lavapipe, nvidia};
use super::*;

fn weights(facts: &VulkanFacts) -> Option<u32> {
    weights_type(&facts.types, &facts.heaps, u32::MAX)
}

fn host(facts: &VulkanFacts, to_host: bool) -> Option<u32> {
    host_type(&facts.types, u32::MAX, to_host)
}

#[test]
fn weights_go_where_the_host_sees_nothing() {
    assert_eq!(weights(&nvidia()), Some(1));
    assert_eq!(weights(&amd_resizable()), Some(0));
    assert_eq!(weights(&intel_integrated()), Some(0));
    assert_eq!(weights(&lavapipe()), Some(0), "where it sees all, there");
}

#[test]
fn only_types_that_the_buffer_may_have_are_chosen() {
    let facts = nvidia();
    let of = |allowed| weights_type(&facts.types, &facts.heaps, allowed);
    assert_eq!(of(0b1_0000), Some(4), "the window is the device's, too");
    assert_eq!(
        of(0b0_1101),
        None,
        "the host's memory is never taken instead"
    );
    assert_eq!(of(0), None);
}

#[test]
fn a_type_that_only_says_so_is_not_the_devices() {
    let mut facts = nvidia();
    for heap in &mut facts.heaps {
        heap.flags = vk::MemoryHeapFlags::empty();
    }
    assert_eq!(weights(&facts), None);
    facts.heaps.clear();
    assert_eq!(weights(&facts), None, "a heap that there is not");
}

#[test]
fn strange_memory_is_passed_over() {
    let facts = amd_resizable();
    let of = |allowed| weights_type(&facts.types, &facts.heaps, allowed);
    assert_eq!(of(0b10_0000), None);
    assert_eq!(of(0b10_1000), Some(3));
    let lazy = vk::MemoryType {
        property_flags: Flags::DEVICE_LOCAL | Flags::LAZILY_ALLOCATED,
        heap_index: 0,
    };
    assert_eq!(weights_type(&[lazy], &facts.heaps, u32::MAX), None);
}

#[test]
fn staging_is_the_hosts_own_memory_and_cached_to_be_read() {
    assert_eq!(
        (host(&nvidia(), false), host(&nvidia(), true)),
        (Some(2), Some(3))
    );
    let amd = amd_resizable();
    assert_eq!((host(&amd, false), host(&amd, true)), (Some(2), Some(4)));
    let lavapipe = lavapipe();
    assert_eq!(
        (host(&lavapipe, false), host(&lavapipe, true)),
        (Some(0), Some(0))
    );
}

#[test]
fn hashing_keeps_out_of_the_way_of_drawing() {
    assert_eq!(compute_family(&nvidia().families), Some(2));
    assert_eq!(compute_family(&intel_integrated().families), Some(0));
    assert_eq!(
        compute_family(&nvidia().families[1..2]),
        None,
        "copies only"
    );
    assert_eq!(compute_family(&[]), None);
}
