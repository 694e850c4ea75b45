//! An opened device and its one queue.

use super::{Fault, Instance, Named, Physical};
use crate::library::file_at;
use ash::vk;
use std::ffi::CStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const FUNCTIONS: [&CStr; 46] = [
    c"vkDestroyDevice",
    c"vkDeviceWaitIdle",
    c"vkGetDeviceQueue",
    c"vkQueueSubmit",
    c"vkAllocateMemory",
    c"vkFreeMemory",
    c"vkMapMemory",
    c"vkUnmapMemory",
    c"vkCreateBuffer",
    c"vkDestroyBuffer",
    c"vkGetBufferMemoryRequirements",
    c"vkBindBufferMemory",
    c"vkCreateFence",
    c"vkDestroyFence",
    c"vkResetFences",
    c"vkWaitForFences",
    c"vkCreateQueryPool",
    c"vkDestroyQueryPool",
    c"vkGetQueryPoolResults",
    c"vkCreateShaderModule",
    c"vkDestroyShaderModule",
    c"vkCreateComputePipelines",
    c"vkDestroyPipeline",
    c"vkCreatePipelineLayout",
    c"vkDestroyPipelineLayout",
    c"vkCreateDescriptorSetLayout",
    c"vkDestroyDescriptorSetLayout",
    c"vkCreateDescriptorPool",
    c"vkDestroyDescriptorPool",
    c"vkAllocateDescriptorSets",
    c"vkUpdateDescriptorSets",
    c"vkCreateCommandPool",
    c"vkDestroyCommandPool",
    c"vkAllocateCommandBuffers",
    c"vkBeginCommandBuffer",
    c"vkEndCommandBuffer",
    c"vkCmdBindPipeline",
    c"vkCmdBindDescriptorSets",
    c"vkCmdPushConstants",
    c"vkCmdDispatch",
    c"vkCmdCopyBuffer",
    c"vkCmdFillBuffer",
    c"vkCmdPipelineBarrier",
    c"vkCmdResetQueryPool",
    c"vkCmdWriteTimestamp",
    c"vkResetCommandPool",
];

/// How to open a device.
#[derive(Clone)]
pub(in crate::vulkan) struct Wanted {
    /// The family of the queue.
    pub(in crate::vulkan) family: u32,
    /// Bits of the queue's timestamps that count; 0 where it has none.
    pub(in crate::vulkan) timestamp_bits: u32,
    /// Nanoseconds of one step of them.
    pub(in crate::vulkan) timestamp_period_nanos: f32,
    /// Whether allocations can be given a priority.
    pub(in crate::vulkan) priority: bool,
    /// Whether the driver can be told to refuse what its heaps do not hold.
    pub(in crate::vulkan) no_overallocation: bool,
    pub(in crate::vulkan) types: Vec<vk::MemoryType>,
    pub(in crate::vulkan) heaps: Vec<vk::MemoryHeap>,
}

/// An opened device.
pub(in crate::vulkan) struct Device {
    pub(super) raw: ash::Device,
    pub(super) wanted: Wanted,
    queue: Mutex<vk::Queue>,
    /// After the device, which is made of it.
    instance: Arc<Instance>,
}

impl Device {
    /// Opens it. `Ok(Err(name))` where the driver lacks a function.
    ///
    /// Pageable device memory, an extension that moves allocations to the host's memory when others
    /// need the room, is not asked for: what is sealed is to stay.
    pub(in crate::vulkan) fn open(
        instance: Arc<Instance>,
        physical: Physical,
        wanted: Wanted,
    ) -> Result<Result<Self, &'static CStr>, Fault> {
        let mut names = Vec::new();
        let mut priority =
            vk::PhysicalDeviceMemoryPriorityFeaturesEXT::default().memory_priority(true);
        let mut overallocation = vk::DeviceMemoryOverallocationCreateInfoAMD::default()
            .overallocation_behavior(vk::MemoryOverallocationBehaviorAMD::DISALLOWED);
        let queues = [vk::DeviceQueueCreateInfo::default()
            .queue_family_index(wanted.family)
            .queue_priorities(&[1.0])];
        let mut create = vk::DeviceCreateInfo::default().queue_create_infos(&queues);
        if wanted.priority {
            names.push(ash::ext::memory_priority::NAME.as_ptr());
            create = create.push_next(&mut priority);
        }
        if wanted.no_overallocation {
            names.push(ash::amd::memory_overallocation_behavior::NAME.as_ptr());
            create = create.push_next(&mut overallocation);
        }
        let create = create.enabled_extension_names(&names);
        // SAFETY: the device is the instance's; what is asked for, it said that it has.
        let raw = unsafe { instance.raw.create_device(physical.0, &create, None) };
        let raw = raw.named("vkCreateDevice")?;
        if let Some(name) = missing(&instance, &raw) {
            return Ok(Err(name));
        }
        // SAFETY: the device was made with one queue of this family.
        let queue = unsafe { raw.get_device_queue(wanted.family, 0) };
        Ok(Ok(Self {
            raw,
            wanted,
            queue: Mutex::new(queue),
            instance,
        }))
    }

    /// The file that takes the commands: the driver's, or that of a layer which was put before it.
    pub(in crate::vulkan) fn library(&self) -> Option<String> {
        file_at(find(&self.instance, &self.raw, c"vkQueueSubmit")? as usize)
    }

    pub(in crate::vulkan) fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The queue, which one thread at a time may use.
    pub(super) fn queue(&self) -> MutexGuard<'_, vk::Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing(instance: &Instance, device: &ash::Device) -> Option<&'static CStr> {
    let absent = |name: &&CStr| find(instance, device, name).is_none();
    FUNCTIONS.into_iter().find(absent)
}

fn find(instance: &Instance, device: &ash::Device, name: &CStr) -> vk::PFN_vkVoidFunction {
    let handle = device.handle();
    // SAFETY: the device is alive; the name ends in a zero byte.
    unsafe { instance.raw.get_device_proc_addr(handle, name.as_ptr()) }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: whatever was made of the device holds it, so that nothing is left of it here.
        unsafe { self.raw.destroy_device(None) };
    }
}
