//! A buffer with memory of its own.

use super::{Device, Fault, Named};
use crate::vulkan::choice::{host_type, weights_type};
use ash::vk;
use std::ptr::NonNull;
use std::sync::Arc;

/// Where a buffer's memory lies, and so what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vulkan) enum Place {
    /// The device's own memory.
    Device,
    /// The host's, to be written by it.
    ToDevice,
    /// The host's, to be read by it.
    ToHost,
}

/// Memory that is never evicted before other memory.
const PRIORITY: f32 = 1.0;

/// A buffer. The host sees its bytes unless it lies on the device.
pub(in crate::vulkan) struct Buffer {
    device: Arc<Device>,
    pub(super) raw: vk::Buffer,
    memory: vk::DeviceMemory,
    mapped: Option<NonNull<u8>>,
    length: usize,
    bytes: u64,
    allocation_bytes: u64,
    flags: vk::MemoryPropertyFlags,
}

// SAFETY: the mapping stays where it is until the buffer is dropped, and is reached through `&mut`
// or `&` of the buffer alone.
unsafe impl Send for Buffer {}

impl Buffer {
    /// At least 1 byte.
    pub(in crate::vulkan) fn new(
        device: Arc<Device>,
        bytes: u64,
        place: Place,
    ) -> Result<Self, Fault> {
        let usage = vk::BufferUsageFlags::STORAGE_BUFFER
            | vk::BufferUsageFlags::TRANSFER_SRC
            | vk::BufferUsageFlags::TRANSFER_DST;
        let create = vk::BufferCreateInfo::default().size(bytes).usage(usage);
        // SAFETY: the device is alive, and the size is not 0.
        let raw = unsafe { device.raw.create_buffer(&create, None) };
        let mut buffer = Self {
            raw: raw.named("vkCreateBuffer")?,
            device,
            memory: vk::DeviceMemory::null(),
            mapped: None,
            length: 0,
            bytes,
            allocation_bytes: 0,
            flags: vk::MemoryPropertyFlags::empty(),
        };
        buffer.give_memory(place)?;
        if place != Place::Device {
            buffer.map()?;
        }
        Ok(buffer)
    }

    /// What was asked for.
    pub(in crate::vulkan) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the driver made of it.
    pub(in crate::vulkan) fn allocation_bytes(&self) -> u64 {
        self.allocation_bytes
    }

    /// What the memory is, by its type.
    pub(in crate::vulkan) fn flags(&self) -> vk::MemoryPropertyFlags {
        self.flags
    }

    /// The bytes, as the host sees them; none of memory on the device. No command that uses the
    /// buffer may be on its way.
    pub(in crate::vulkan) fn host_bytes(&mut self) -> &mut [u8] {
        let Some(start) = self.mapped else {
            return &mut [];
        };
        // SAFETY: so many bytes are mapped there until the buffer is dropped, the driver gave them
        // initialized by the kernel, and `&mut self` lets nobody else look at them.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), self.length) }
    }

    fn give_memory(&mut self, place: Place) -> Result<(), Fault> {
        let device = &self.device;
        // SAFETY: the buffer is alive.
        let needs = unsafe { device.raw.get_buffer_memory_requirements(self.raw) };
        let (types, heaps) = (&device.wanted.types, &device.wanted.heaps);
        let number = match place {
            Place::Device => weights_type(types, heaps, needs.memory_type_bits),
            Place::ToDevice => host_type(types, needs.memory_type_bits, false),
            Place::ToHost => host_type(types, needs.memory_type_bits, true),
        };
        // The specification promises one of each; a driver that breaks it has no memory for us.
        let number = number.ok_or(Fault {
            call: "vkGetBufferMemoryRequirements",
            result: vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
        })?;
        let chosen = usize::try_from(number).ok().and_then(|at| types.get(at));
        self.flags = chosen.map_or_else(Default::default, |chosen| chosen.property_flags);
        let mut priority = vk::MemoryPriorityAllocateInfoEXT::default().priority(PRIORITY);
        let mut wanted = vk::MemoryAllocateInfo::default()
            .allocation_size(needs.size)
            .memory_type_index(number);
        if device.wanted.priority && place == Place::Device {
            wanted = wanted.push_next(&mut priority);
        }
        // SAFETY: the type is one that the device has.
        let memory = unsafe { device.raw.allocate_memory(&wanted, None) };
        self.memory = memory.named("vkAllocateMemory")?;
        self.allocation_bytes = needs.size;
        // SAFETY: both were made just now, the memory is as large as the buffer needs and of a type
        // that it may have.
        let bound = unsafe { device.raw.bind_buffer_memory(self.raw, self.memory, 0) };
        bound.named("vkBindBufferMemory")
    }

    fn map(&mut self) -> Result<(), Fault> {
        let refused = |result| Fault {
            call: "vkMapMemory",
            result,
        };
        let whole = vk::WHOLE_SIZE;
        let flags = vk::MemoryMapFlags::empty();
        // SAFETY: the memory is of a type that the host sees, and is mapped this once.
        let start = unsafe { self.device.raw.map_memory(self.memory, 0, whole, flags) };
        let start = start.map_err(refused)?;
        let failed = vk::Result::ERROR_MEMORY_MAP_FAILED;
        self.length = usize::try_from(self.bytes).map_err(|_| refused(failed))?;
        self.mapped = Some(NonNull::new(start.cast()).ok_or(refused(failed))?);
        Ok(())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let device = &self.device.raw;
        // SAFETY: the owner has waited for all commands that use the buffer; null is passed over.
        unsafe { device.destroy_buffer(self.raw, None) };
        // SAFETY: nothing else was made of the memory; freeing it unmaps it; null is passed over.
        unsafe { device.free_memory(self.memory, None) };
    }
}
