//! Memory of our own on the device, in segments that a shader can reach.

use super::gpu::Opened;
use super::hashing::{REACH_BYTES, Worker};
use super::staging::Staging;
use super::sys::{Buffer, Place, Recording, Set, Sets};
use crate::{
    Access, Code, DeviceKind, HashJob, HashRun, Memory, MemoryType, PageCycles, Placement, RootJob,
    VramError,
};
use ash::vk::MemoryPropertyFlags as Flags;
use digest::{Blake3Digest, TILE_BYTES};
use std::sync::Arc;

/// A shader reads whole chunks, also the last one, which may be cut.
const CHUNK_BYTES: u64 = 1024;

/// Buffers of [`Segments::BYTES`] each, the last one shorter.
pub(super) struct Segments {
    sets: Sets,
    buffers: Vec<Buffer>,
    bytes: u64,
}

impl Segments {
    /// Bytes of a segment: what every device lets a shader reach, and much less than what every device
    /// lets one allocation be. With 4096 allocations, the fewest that a device may allow, 512 GiB.
    const BYTES: u64 = REACH_BYTES;

    /// Tiles of a segment.
    pub(super) const TILES: u64 = Self::BYTES / TILE_BYTES;

    fn new(opened: &Opened, bytes: u64) -> Result<Self, VramError> {
        let mut buffers = Vec::new();
        let mut start = 0;
        while start < bytes {
            let length = Self::BYTES.min(bytes - start);
            let whole = length.next_multiple_of(CHUNK_BYTES);
            buffers.push(Buffer::new(opened.device.clone(), whole, Place::Device)?);
            start += length;
        }
        let device = opened.device.clone();
        Ok(Self {
            sets: Sets::of(device, &opened.pipelines, buffers.iter())?,
            buffers,
            bytes,
        })
    }

    /// How a shader is told of the segment.
    pub(super) fn set(&self, segment: usize) -> Option<Set> {
        self.sets.at(segment)
    }

    /// The segment that byte `offset` lies in, and where in it.
    pub(super) fn find(&self, offset: u64) -> Option<(&Buffer, u64)> {
        let segment = usize::try_from(offset / Self::BYTES).ok()?;
        let buffer = self.buffers.get(segment)?;
        Some((buffer, offset % Self::BYTES))
    }

    /// The first half of all bytes over the second, in pieces that lie in one segment on either side.
    fn copy_half(&self, list: &Recording<'_>) {
        let half = self.bytes / 2;
        let mut done = 0;
        while done < half {
            let sides = self.find(done).zip(self.find(half + done));
            let Some(((from, from_at), (to, to_at))) = sides else {
                return;
            };
            let left = (Self::BYTES - from_at).min(Self::BYTES - to_at);
            let bytes = left.min(half - done);
            list.copy((from, from_at), (to, to_at), bytes);
            done += bytes;
        }
    }

    fn allocation_bytes(&self) -> u64 {
        self.buffers.iter().map(Buffer::allocation_bytes).sum()
    }

    /// What all of them are.
    fn flags(&self) -> Flags {
        let flags = self.buffers.iter().map(Buffer::flags);
        flags.reduce(|all, one| all & one).unwrap_or_default()
    }
}

/// Device memory. Cleared and freed when it is dropped.
pub(super) struct VulkanMemory {
    /// Before the segments, which its commands use.
    staging: Option<Staging>,
    /// Likewise.
    worker: Worker,
    segments: Option<Segments>,
    bytes: u64,
    opened: Arc<Opened>,
}

impl VulkanMemory {
    pub(super) fn new(opened: Arc<Opened>, bytes: u64) -> Result<Self, VramError> {
        if bytes == 0 {
            return Err(VramError::new(Code::Internal, "no bytes were asked for"));
        }
        opened.has_room_for(bytes)?;
        let segments = Segments::new(&opened, bytes);
        let segments = segments.map_err(|error| VramError {
            requested_bytes: Some(bytes),
            ..error
        })?;
        Ok(Self {
            staging: None,
            worker: Worker::new(opened.clone())?,
            segments: Some(segments),
            bytes,
            opened,
        })
    }

    /// Clears, then frees: also what could not be cleared, which is told.
    fn free(&mut self) -> Result<u64, VramError> {
        self.staging = None;
        let Some(segments) = self.segments.take() else {
            return Ok(0);
        };
        let clear = |list: &Recording<'_>| {
            segments.buffers.iter().for_each(|one| list.clear(one));
        };
        let commands = &mut self.worker.commands;
        commands.send(clear).and_then(|()| commands.wait())?;
        Ok(segments.allocation_bytes())
    }

    fn segments(&self) -> Result<&Segments, VramError> {
        self.segments.as_ref().ok_or_else(given_back)
    }
}

fn given_back() -> VramError {
    VramError::new(Code::HandleStale, "the memory was given back already")
}

fn inside(segments: &Segments, offset: u64, bytes: u64) -> Result<(), VramError> {
    let end = offset.checked_add(bytes);
    if end.is_some_and(|end| end <= segments.bytes) {
        return Ok(());
    }
    let message = "bytes behind the end of the memory were to be used";
    Err(VramError::new(Code::Internal, message))
}

impl Memory for VulkanMemory {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn upload(&mut self, offset: u64, data: &[u8]) -> Result<(), VramError> {
        let segments = self.segments.as_ref().ok_or_else(given_back)?;
        inside(segments, offset, data.len() as u64)?;
        if self.staging.is_none() {
            self.staging = Some(Staging::new(&self.opened, self.bytes)?);
        }
        match &mut self.staging {
            Some(staging) => staging.send(segments, offset, data),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), VramError> {
        // No copy of the model stays in the host's memory, not even in part.
        match self.staging.take() {
            Some(mut staging) => staging.wait(),
            None => Ok(()),
        }
    }

    fn protect(&mut self) -> Result<Access, VramError> {
        // Vulkan knows no read-only memory: any shader of this device may write to it.
        Ok(Access::ReadWrite)
    }

    fn hash(&mut self, job: &HashJob) -> Result<HashRun, VramError> {
        let segments = self.segments.as_ref().ok_or_else(given_back)?;
        inside(segments, 0, job.tiling.bytes_total())?;
        self.worker.hash(segments, job)
    }

    fn root(&mut self, job: &RootJob<'_>) -> Result<Blake3Digest, VramError> {
        let segments = self.segments.as_ref().ok_or_else(given_back)?;
        inside(segments, 0, job.tiling.bytes_total())?;
        self.worker.root(segments, job)
    }

    fn placement(&self) -> Result<Placement, VramError> {
        let segments = self.segments()?;
        let flags = segments.flags();
        let local = flags.contains(Flags::DEVICE_LOCAL);
        Ok(Placement {
            memory_type: memory_type(self.opened.facts.kind, local),
            on_device: Some(local),
            host_visible: Some(flags.contains(Flags::HOST_VISIBLE)),
            allocation_bytes: Some(segments.allocation_bytes()),
            // No driver tells Vulkan's users whether it may move memory, nor numbers allocations.
            managed: None,
            pinned: None,
            allocation_id: None,
            access: Access::ReadWrite,
        })
    }

    fn latency(&mut self, _seed: u32) -> Result<Option<PageCycles>, VramError> {
        // Shaders have no clock that every device has, and cannot pass by the caches.
        Ok(None)
    }

    fn copy_half(&mut self) -> Result<Option<f64>, VramError> {
        let segments = self.segments.as_ref().ok_or_else(given_back)?;
        let commands = &mut self.worker.commands;
        commands.send(|list| {
            list.mark_start();
            list.barrier();
            segments.copy_half(list);
            list.mark_end();
        })?;
        commands.wait()?;
        Ok(commands.seconds().ok().flatten())
    }

    fn release(mut self: Box<Self>) -> Result<u64, VramError> {
        self.free()
    }
}

impl Drop for VulkanMemory {
    fn drop(&mut self) {
        drop(self.free());
    }
}

/// By the type alone; where the device shares the host's memory, the type's name means nothing.
fn memory_type(kind: DeviceKind, local: bool) -> MemoryType {
    match (kind, local) {
        (DeviceKind::Discrete, true) => MemoryType::Device,
        (DeviceKind::Discrete, false) => MemoryType::Host,
        (DeviceKind::Integrated | DeviceKind::Cpu, _) => MemoryType::Unified,
        (DeviceKind::Virtual | DeviceKind::Unknown, _) => MemoryType::Unknown,
    }
}
