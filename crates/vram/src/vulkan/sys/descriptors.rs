//! Descriptor sets: how a shader is told of a buffer.

use super::{Buffer, Device, Fault, Named, Pipelines};
use ash::vk;
use std::sync::Arc;

/// Sets of one storage buffer each.
pub(in crate::vulkan) struct Sets {
    device: Arc<Device>,
    pool: vk::DescriptorPool,
    all: Vec<vk::DescriptorSet>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(in crate::vulkan) struct Set(pub(super) vk::DescriptorSet);

impl Sets {
    /// One for each of the buffers, which must outlive them; at least one.
    pub(in crate::vulkan) fn of<'buffers>(
        device: Arc<Device>,
        pipelines: &Pipelines,
        buffers: impl ExactSizeIterator<Item = &'buffers Buffer>,
    ) -> Result<Self, Fault> {
        let count = u32::try_from(buffers.len()).unwrap_or(u32::MAX);
        let sizes = [vk::DescriptorPoolSize::default()
            .ty(vk::DescriptorType::STORAGE_BUFFER)
            .descriptor_count(count)];
        let wanted = vk::DescriptorPoolCreateInfo::default()
            .max_sets(count)
            .pool_sizes(&sizes);
        // SAFETY: the device is alive, and the count is not 0.
        let pool = unsafe { device.raw.create_descriptor_pool(&wanted, None) };
        let mut made = Self {
            pool: pool.named("vkCreateDescriptorPool")?,
            device,
            all: Vec::new(),
        };
        let layouts = vec![pipelines.set_layout; buffers.len()];
        let wanted = vk::DescriptorSetAllocateInfo::default()
            .descriptor_pool(made.pool)
            .set_layouts(&layouts);
        // SAFETY: the pool has room for exactly these.
        let sets = unsafe { made.device.raw.allocate_descriptor_sets(&wanted) };
        made.all = sets.named("vkAllocateDescriptorSets")?;
        for (&set, buffer) in made.all.iter().zip(buffers) {
            made.point(set, buffer);
        }
        Ok(made)
    }

    pub(in crate::vulkan) fn at(&self, index: usize) -> Option<Set> {
        self.all.get(index).copied().map(Set)
    }

    fn point(&self, set: vk::DescriptorSet, buffer: &Buffer) {
        let whole = [vk::DescriptorBufferInfo::default()
            .buffer(buffer.raw)
            .range(vk::WHOLE_SIZE)];
        let write = vk::WriteDescriptorSet::default()
            .dst_set(set)
            .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
            .buffer_info(&whole);
        // SAFETY: the set was made just now and no command uses it; the buffer is a storage buffer
        // with memory.
        unsafe { self.device.raw.update_descriptor_sets(&[write], &[]) };
    }
}

impl Drop for Sets {
    fn drop(&mut self) {
        // SAFETY: the owner has waited for all commands that use the sets, which go with their pool.
        unsafe { self.device.raw.destroy_descriptor_pool(self.pool, None) };
    }
}
