//! One list of commands at a time: recorded, sent, waited for, and timed.

use super::{Buffer, Device, Fault, Named, Pipelines, Set, Shader, Told};
use ash::vk;
use std::sync::Arc;

type Stages = vk::PipelineStageFlags;
type Accesses = vk::AccessFlags;

/// A list of commands and what tells when it is done. Dropped, it waits first: so whatever the
/// commands use must be dropped after it.
pub(in crate::vulkan) struct Commands {
    device: Arc<Device>,
    pool: vk::CommandPool,
    list: vk::CommandBuffer,
    done: vk::Fence,
    marks: vk::QueryPool,
    on_its_way: bool,
}

impl Commands {
    pub(in crate::vulkan) fn new(device: Arc<Device>) -> Result<Self, Fault> {
        let mut commands = Self {
            device,
            pool: vk::CommandPool::null(),
            list: vk::CommandBuffer::null(),
            done: vk::Fence::null(),
            marks: vk::QueryPool::null(),
            on_its_way: false,
        };
        commands.new_list()?;
        commands.new_signals()?;
        Ok(commands)
    }

    /// Waits for the last list, records a new one and sends it. What it uses must stay until it was
    /// waited for.
    pub(in crate::vulkan) fn send(
        &mut self,
        record: impl FnOnce(&Recording<'_>),
    ) -> Result<(), Fault> {
        self.wait()?;
        let device = &self.device.raw;
        let once = vk::CommandBufferBeginInfo::default()
            .flags(vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT);
        // SAFETY: the last list was waited for.
        let reset =
            unsafe { device.reset_command_pool(self.pool, vk::CommandPoolResetFlags::empty()) };
        reset.named("vkResetCommandPool")?;
        // SAFETY: the list is empty now, and nobody else has it.
        let begun = unsafe { device.begin_command_buffer(self.list, &once) };
        begun.named("vkBeginCommandBuffer")?;
        record(&Recording { commands: self });
        // SAFETY: it was begun just now.
        let ended = unsafe { device.end_command_buffer(self.list) };
        ended.named("vkEndCommandBuffer")?;
        self.submit()
    }

    /// Until the list is done; at once where none is on its way. Afterwards none is, whatever this says.
    pub(in crate::vulkan) fn wait(&mut self) -> Result<(), Fault> {
        if !std::mem::take(&mut self.on_its_way) {
            return Ok(());
        }
        let device = &self.device.raw;
        // SAFETY: the fence was given with the list.
        let waited = unsafe { device.wait_for_fences(&[self.done], true, u64::MAX) };
        if waited.is_err() {
            self.wait_for_all();
        }
        waited.named("vkWaitForFences")
    }

    /// When it could not be waited for one list. A lost device does nothing any more.
    fn wait_for_all(&self) {
        let _queue = self.device.queue();
        // SAFETY: the lock keeps other threads from the queue.
        let _ = unsafe { self.device.raw.device_wait_idle() };
    }

    /// Seconds between the two marks of the list that was waited for; nothing where the device has no
    /// clock.
    pub(in crate::vulkan) fn seconds(&self) -> Result<Option<f64>, Fault> {
        if self.marks == vk::QueryPool::null() {
            return Ok(None);
        }
        let mut ticks = [0_u64; 2];
        let flags = vk::QueryResultFlags::TYPE_64;
        // SAFETY: both marks were made by the list that was waited for.
        let read = unsafe {
            self.device
                .raw
                .get_query_pool_results(self.marks, 0, &mut ticks, flags)
        };
        read.named("vkGetQueryPoolResults")?;
        let wanted = &self.device.wanted;
        let bits = wanted.timestamp_bits.clamp(1, u64::BITS);
        let [before, after] = ticks;
        let passed = after.wrapping_sub(before) & (u64::MAX >> (u64::BITS - bits));
        #[allow(clippy::cast_precision_loss, reason = "2^53 nanoseconds are 104 days")]
        let passed = passed as f64;
        Ok(Some(
            passed * f64::from(wanted.timestamp_period_nanos) * 1e-9,
        ))
    }

    fn submit(&mut self) -> Result<(), Fault> {
        let device = &self.device.raw;
        // SAFETY: the fence is not in use: its list was waited for.
        let reset = unsafe { device.reset_fences(&[self.done]) };
        reset.named("vkResetFences")?;
        let lists = [self.list];
        let batch = [vk::SubmitInfo::default().command_buffers(&lists)];
        let queue = self.device.queue();
        // SAFETY: the list was ended, and the lock keeps other threads from the queue.
        let sent = unsafe { device.queue_submit(*queue, &batch, self.done) };
        sent.named("vkQueueSubmit")?;
        self.on_its_way = true;
        Ok(())
    }

    fn new_list(&mut self) -> Result<(), Fault> {
        let device = &self.device.raw;
        let wanted = vk::CommandPoolCreateInfo::default()
            .flags(vk::CommandPoolCreateFlags::TRANSIENT)
            .queue_family_index(self.device.wanted.family);
        // SAFETY: the device has queues of this family.
        let pool = unsafe { device.create_command_pool(&wanted, None) };
        self.pool = pool.named("vkCreateCommandPool")?;
        let wanted = vk::CommandBufferAllocateInfo::default()
            .command_pool(self.pool)
            .command_buffer_count(1);
        // SAFETY: the pool was made just now.
        let lists = unsafe { device.allocate_command_buffers(&wanted) };
        let lists = lists.named("vkAllocateCommandBuffers")?;
        self.list = lists.first().copied().unwrap_or_default();
        Ok(())
    }

    fn new_signals(&mut self) -> Result<(), Fault> {
        let device = &self.device.raw;
        // SAFETY: the device is alive.
        let done = unsafe { device.create_fence(&vk::FenceCreateInfo::default(), None) };
        self.done = done.named("vkCreateFence")?;
        if self.device.wanted.timestamp_bits == 0 {
            return Ok(());
        }
        let wanted = vk::QueryPoolCreateInfo::default()
            .query_type(vk::QueryType::TIMESTAMP)
            .query_count(2);
        // SAFETY: the queue's family has timestamps.
        let marks = unsafe { device.create_query_pool(&wanted, None) };
        self.marks = marks.named("vkCreateQueryPool")?;
        Ok(())
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        // A failure was told to whoever waited, or nobody needs to know.
        let _ = self.wait();
        let device = &self.device.raw;
        // SAFETY: nothing is on its way; null is passed over, here and below.
        unsafe { device.destroy_query_pool(self.marks, None) };
        // SAFETY: as above.
        unsafe { device.destroy_fence(self.done, None) };
        // SAFETY: as above; the list goes with its pool.
        unsafe { device.destroy_command_pool(self.pool, None) };
    }
}

/// A list while it is recorded.
pub(in crate::vulkan) struct Recording<'commands> {
    commands: &'commands Commands,
}

impl Recording<'_> {
    fn device(&self) -> &ash::Device {
        &self.commands.device.raw
    }

    /// Starts the clock: the first command of a list that is timed.
    pub(in crate::vulkan) fn mark_start(&self) {
        let Commands { list, marks, .. } = *self.commands;
        if marks != vk::QueryPool::null() {
            // SAFETY: the pool has two queries, which no other list uses.
            unsafe { self.device().cmd_reset_query_pool(list, marks, 0, 2) };
            self.mark(Stages::TOP_OF_PIPE, 0);
        }
    }

    /// Stops the clock once everything before it is done.
    pub(in crate::vulkan) fn mark_end(&self) {
        if self.commands.marks != vk::QueryPool::null() {
            self.mark(Stages::BOTTOM_OF_PIPE, 1);
        }
    }

    fn mark(&self, stage: Stages, number: u32) {
        let Commands { list, marks, .. } = *self.commands;
        // SAFETY: the query was reset by this list, and is written once.
        unsafe {
            self.device()
                .cmd_write_timestamp(list, stage, marks, number);
        };
    }

    /// Whatever was written to memory, by copies or shaders, is there for what follows.
    pub(in crate::vulkan) fn barrier(&self) {
        let wrote = Accesses::TRANSFER_WRITE | Accesses::SHADER_WRITE;
        let uses = wrote | Accesses::TRANSFER_READ | Accesses::SHADER_READ;
        let stages = Stages::TRANSFER | Stages::COMPUTE_SHADER;
        self.depend((stages, wrote), (stages, uses));
    }

    /// What copies wrote is there for the host, once the list is done.
    pub(in crate::vulkan) fn barrier_to_host(&self) {
        let wrote = (Stages::TRANSFER, Accesses::TRANSFER_WRITE);
        self.depend(wrote, (Stages::HOST, Accesses::HOST_READ));
    }

    fn depend(&self, before: (Stages, Accesses), after: (Stages, Accesses)) {
        let memory = [vk::MemoryBarrier::default()
            .src_access_mask(before.1)
            .dst_access_mask(after.1)];
        let flags = vk::DependencyFlags::empty();
        let list = self.commands.list;
        // SAFETY: the list is being recorded; every queue that computes knows these stages.
        unsafe {
            self.device()
                .cmd_pipeline_barrier(list, before.0, after.0, flags, &memory, &[], &[]);
        };
    }

    /// Copies `bytes` bytes, at least 1, which both buffers must have.
    pub(in crate::vulkan) fn copy(
        &self,
        (from, from_offset): (&Buffer, u64),
        (to, to_offset): (&Buffer, u64),
        bytes: u64,
    ) {
        debug_assert!(from_offset + bytes <= from.bytes() && to_offset + bytes <= to.bytes());
        let regions = [vk::BufferCopy::default()
            .src_offset(from_offset)
            .dst_offset(to_offset)
            .size(bytes)];
        let list = self.commands.list;
        // SAFETY: the list is being recorded; both buffers may be copied from and to.
        unsafe {
            self.device()
                .cmd_copy_buffer(list, from.raw, to.raw, &regions);
        };
    }

    /// Fills the buffer with zeroes.
    pub(in crate::vulkan) fn clear(&self, buffer: &Buffer) {
        let list = self.commands.list;
        // SAFETY: the list is being recorded; the buffer may be copied to.
        unsafe {
            self.device()
                .cmd_fill_buffer(list, buffer.raw, 0, vk::WHOLE_SIZE, 0);
        };
    }

    /// Runs a shader on so many workgroups, at most 65535. Every set names a buffer as large as what
    /// the shader is told.
    pub(in crate::vulkan) fn run(
        &self,
        (pipelines, shader): (&Pipelines, Shader),
        (first, sets): (u32, &[Set]),
        told: &Told,
        workgroups: u32,
    ) {
        let (device, list, layout) = (self.device(), self.commands.list, pipelines.layout);
        let compute = vk::PipelineBindPoint::COMPUTE;
        let sets: Vec<_> = sets.iter().map(|set| set.0).collect();
        // SAFETY: the list is being recorded; the pipeline is the device's.
        unsafe { device.cmd_bind_pipeline(list, compute, pipelines.of(shader)) };
        // SAFETY: the sets have the layout that the pipeline wants at these places.
        unsafe { device.cmd_bind_descriptor_sets(list, compute, layout, first, &sets, &[]) };
        let stage = vk::ShaderStageFlags::COMPUTE;
        // SAFETY: the layout has room for exactly these bytes.
        unsafe { device.cmd_push_constants(list, layout, stage, 0, told) };
        // SAFETY: every device runs so many workgroups.
        unsafe { device.cmd_dispatch(list, workgroups, 1, 1) };
    }
}
