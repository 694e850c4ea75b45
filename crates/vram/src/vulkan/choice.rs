//! Which of a device's memories and queues to use. Pure functions.

use ash::vk;

type Flags = vk::MemoryPropertyFlags;

/// Memory that is no ordinary memory: for the system alone, made on first use, or without caches.
const STRANGE: Flags = Flags::from_raw(
    Flags::PROTECTED.as_raw()
        | Flags::LAZILY_ALLOCATED.as_raw()
        | Flags::DEVICE_COHERENT_AMD.as_raw()
        | Flags::DEVICE_UNCACHED_AMD.as_raw(),
);

/// The type for weights, among those that `allowed` has the bits of: the device's own, on the largest
/// heap, and hidden from the host where there is such a thing. What the host sees may be a window of
/// the device's memory, or the host's memory.
pub(crate) fn weights_type(
    types: &[vk::MemoryType],
    heaps: &[vk::MemoryHeap],
    allowed: u32,
) -> Option<u32> {
    let local = |heap: &&vk::MemoryHeap| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL);
    numbered(types, allowed)
        .filter(|(_, kind)| kind.property_flags.contains(Flags::DEVICE_LOCAL))
        .filter_map(|(number, kind)| {
            let heap = heap_of(kind, heaps).filter(local)?;
            let hidden = !kind.property_flags.contains(Flags::HOST_VISIBLE);
            Some((number, (hidden, heap.size)))
        })
        // The last of equals wins, and the first is the driver's own choice.
        .rev()
        .max_by_key(|&(_, rank)| rank)
        .map(|(number, _)| number)
}

/// The heap that weights go to.
pub(crate) fn weights_heap(types: &[vk::MemoryType], heaps: &[vk::MemoryHeap]) -> Option<usize> {
    let chosen = usize::try_from(weights_type(types, heaps, u32::MAX)?).ok()?;
    usize::try_from(types.get(chosen)?.heap_index).ok()
}

/// The type for bytes on their way to the device, or back (`to_host`): the host's own where it can be
/// had. Every device has at least one that will do.
pub(crate) fn host_type(types: &[vk::MemoryType], allowed: u32, to_host: bool) -> Option<u32> {
    let needed = Flags::HOST_VISIBLE | Flags::HOST_COHERENT;
    numbered(types, allowed)
        .filter(|(_, kind)| kind.property_flags.contains(needed))
        .rev()
        .max_by_key(|(_, kind)| {
            let has = |flag| kind.property_flags.contains(flag);
            // Reading past the caches is slow by two orders of magnitude; writing past them is not.
            let cached = has(Flags::HOST_CACHED) == to_host;
            (!has(Flags::DEVICE_LOCAL), cached)
        })
        .map(|(number, _)| number)
}

/// The family of queues to hash on: one that draws nothing where there is one, so as to stay out of
/// the way of what does.
pub(crate) fn compute_family(families: &[vk::QueueFamilyProperties]) -> Option<u32> {
    let has = |family: &vk::QueueFamilyProperties, flag| family.queue_flags.contains(flag);
    let computes = |family: &vk::QueueFamilyProperties| {
        family.queue_count > 0 && has(family, vk::QueueFlags::COMPUTE)
    };
    let quiet = families
        .iter()
        .position(|family| computes(family) && !has(family, vk::QueueFlags::GRAPHICS));
    let any = || families.iter().position(computes);
    u32::try_from(quiet.or_else(any)?).ok()
}

fn numbered(
    types: &[vk::MemoryType],
    allowed: u32,
) -> impl DoubleEndedIterator<Item = (u32, vk::MemoryType)> {
    // A driver has at most 32.
    let numbered: Vec<_> = (0..u32::BITS).zip(types.iter().copied()).collect();
    numbered.into_iter().filter(move |(number, kind)| {
        allowed & (1 << number) != 0 && !kind.property_flags.intersects(STRANGE)
    })
}

fn heap_of(kind: vk::MemoryType, heaps: &[vk::MemoryHeap]) -> Option<&vk::MemoryHeap> {
    heaps.get(usize::try_from(kind.heap_index).ok()?)
}

#[cfg(test)]
mod tests;
