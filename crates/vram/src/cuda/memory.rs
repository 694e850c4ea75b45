//! Memory of our own: one allocation, pinned on the device, that the device itself may be kept from writing.

use super::gpu::Opened;
use super::hashing::Worker;
use super::probe;
use super::staging::Staging;
use super::sys::{Driver, Fault, PROTECTION_READ, PROTECTION_READ_WRITE, PointerFacts, Status};
use crate::backend::root_by_slices;
use crate::{
    Access, Code, HashJob, HashRun, Memory, MemoryType, PageCycles, Placement, RootJob, VramError,
};
use digest::Blake3Digest;
use std::sync::Arc;

/// Room for the results of a slice, and of the pages of 512 GiB.
const RESULT_BYTES: u64 = 1 << 20;

/// Device memory under an address of its own. Cleared and freed when it is dropped.
pub(super) struct CudaMemory {
    opened: Arc<Opened>,
    /// Before `worker`, whose stream it uses.
    staging: Option<Staging>,
    worker: Worker,
    mapping: Option<Mapping>,
    bytes: u64,
    access: Access,
}

/// An address range with memory behind it. The driver keeps the memory for as long as it is mapped.
#[derive(Clone, Copy)]
struct Mapping {
    address: u64,
    bytes: u64,
}

impl CudaMemory {
    pub(super) fn new(opened: Arc<Opened>, bytes: u64) -> Result<Self, VramError> {
        let entered = opened.enter()?;
        let mut worker = Worker::new(opened.clone())?;
        // Before the device is full: a check must not fail for want of room for its results.
        worker.room(RESULT_BYTES)?;
        let mapping = map(&opened, bytes)?;
        drop(entered);
        Ok(Self {
            opened,
            staging: None,
            worker,
            mapping: Some(mapping),
            bytes,
            access: Access::ReadWrite,
        })
    }

    fn mapping(&self) -> Result<Mapping, VramError> {
        self.mapping
            .ok_or_else(|| VramError::new(Code::HandleStale, "the memory was given back already"))
    }

    /// Everything is tried, whatever fails; the first failure is told.
    fn free(&mut self) -> Result<u64, VramError> {
        let Some(Mapping { address, bytes }) = self.mapping.take() else {
            return Ok(0);
        };
        self.staging = None;
        let entered = self.opened.enter()?;
        let cleared = self.clear(address, bytes);
        let unmapped = unmap(self.opened.driver, address, bytes);
        drop(entered);
        cleared.and(unmapped).map(|()| bytes)
    }

    fn clear(&self, address: u64, bytes: u64) -> Result<(), VramError> {
        let (driver, number) = (self.opened.driver, self.opened.number);
        if self.access == Access::ReadOnly {
            driver.set_access(address, bytes, number, PROTECTION_READ_WRITE)?;
        }
        driver.set_bytes(address, 0, bytes, self.worker.stream)?;
        Ok(driver.wait_for_stream(self.worker.stream)?)
    }

    fn inside(&self, offset: u64, bytes: u64) -> Result<u64, VramError> {
        let Mapping { address, .. } = self.mapping()?;
        let end = offset.checked_add(bytes);
        if end.is_none_or(|end| end > self.bytes) {
            let message = "bytes behind the end of the memory were to be used";
            return Err(VramError::new(Code::Internal, message));
        }
        Ok(address + offset)
    }
}

/// Allocates, reserves, maps, opens for writing; undoes what it did where a step fails.
fn map(opened: &Opened, bytes: u64) -> Result<Mapping, VramError> {
    let driver = opened.driver;
    let granularity = driver.granularity(opened.number)?.max(1);
    let rounded = bytes.max(1).checked_next_multiple_of(granularity);
    let rounded = rounded.ok_or(Fault::TooLarge(bytes))?;
    let allocation = driver
        .create(opened.number, rounded)
        .map_err(|fault| VramError {
            requested_bytes: Some(rounded),
            ..fault.into()
        })?;
    let mapped = driver.reserve(rounded).and_then(|address| {
        let undo = |_: &Fault| drop(driver.unreserve(address, rounded));
        driver.map(address, rounded, allocation).inspect_err(undo)?;
        Ok(address)
    });
    // The mapping keeps the memory; without one this frees it.
    let released = driver.release(allocation);
    let address = mapped?;
    let opened_up = released
        .and_then(|()| driver.set_access(address, rounded, opened.number, PROTECTION_READ_WRITE));
    opened_up.inspect_err(|_| drop(unmap(driver, address, rounded)))?;
    Ok(Mapping {
        address,
        bytes: rounded,
    })
}

fn unmap(driver: &Driver, address: u64, bytes: u64) -> Result<(), VramError> {
    let unmapped = driver.unmap(address, bytes);
    let unreserved = driver.unreserve(address, bytes);
    Ok(unmapped.and(unreserved)?)
}

impl Memory for CudaMemory {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn pointer(&self) -> Option<u64> {
        self.mapping.map(|mapping| mapping.address)
    }

    fn upload(&mut self, offset: u64, data: &[u8]) -> Result<(), VramError> {
        let address = self.inside(offset, data.len() as u64)?;
        let opened = self.opened.clone();
        let _entered = opened.enter()?;
        if self.staging.is_none() {
            self.staging = Some(Staging::new(
                self.opened.clone(),
                self.worker.stream,
                self.bytes,
            )?);
        }
        match &mut self.staging {
            Some(staging) => staging.send(address, data),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), VramError> {
        let _entered = self.opened.enter()?;
        self.opened.driver.wait_for_stream(self.worker.stream)?;
        // No copy of the model stays in the host's memory, not even in part.
        self.staging = None;
        Ok(())
    }

    fn protect(&mut self) -> Result<Access, VramError> {
        let Mapping { address, bytes } = self.mapping()?;
        let _entered = self.opened.enter()?;
        let number = self.opened.number;
        let set = self
            .opened
            .driver
            .set_access(address, bytes, number, PROTECTION_READ);
        match set {
            Ok(()) => self.access = Access::ReadOnly,
            Err(fault) if fault.is(Status::NOT_SUPPORTED) => {}
            Err(fault) => return Err(fault.into()),
        }
        Ok(self.access)
    }

    fn hash(&mut self, job: &HashJob) -> Result<HashRun, VramError> {
        let address = self.inside(0, job.tiling.bytes_total())?;
        let opened = self.opened.clone();
        let _entered = opened.enter()?;
        self.worker.hash(address, job)
    }

    fn root(&mut self, job: &RootJob<'_>) -> Result<Blake3Digest, VramError> {
        let address = self.inside(0, job.tiling.bytes_total())?;
        let opened = self.opened.clone();
        let entered = opened.enter()?;
        match self.worker.root(address, job) {
            // The device is full: the upper levels are computed here.
            Err(error) if error.code == Code::AllocationFailed => {
                drop(entered);
                root_by_slices(self, job)
            }
            root => root,
        }
    }

    fn placement(&self) -> Result<Placement, VramError> {
        let Mapping { address, .. } = self.mapping()?;
        let _entered = self.opened.enter()?;
        placement_of(&self.opened, address, self.access)
    }

    fn latency(&mut self, seed: u32) -> Result<Option<PageCycles>, VramError> {
        let Mapping { address, bytes } = self.mapping()?;
        let opened = self.opened.clone();
        let _entered = opened.enter()?;
        probe::pages(&mut self.worker, address, bytes, seed).map(Some)
    }

    fn copy_half(&mut self) -> Result<Option<f64>, VramError> {
        let Mapping { address, bytes } = self.mapping()?;
        let _entered = self.opened.enter()?;
        let half = bytes / 2;
        self.worker.timed(|worker| {
            let driver = worker.opened.driver;
            Ok(driver.copy_on_device(address + half, address, half, worker.stream)?)
        })
    }

    fn release(mut self: Box<Self>) -> Result<u64, VramError> {
        self.free()
    }
}

impl Drop for CudaMemory {
    fn drop(&mut self) {
        drop(self.free());
    }
}

/// What the driver says of an address, in the device's context; of the access, what was `set` where the
/// driver cannot be asked.
pub(super) fn placement_of(
    opened: &Opened,
    address: u64,
    set: Access,
) -> Result<Placement, VramError> {
    let driver = opened.driver;
    let facts = driver.pointer_facts(address)?;
    let made = driver.allocation_facts(address).ok();
    let protection = driver.access(address, opened.number).ok();
    Ok(Placement {
        memory_type: memory_type(&facts),
        managed: facts.managed,
        on_device: match made {
            Some(made) => Some(made.device == Some(opened.number)),
            None => facts.device.map(|device| device == opened.number),
        },
        pinned: made.map(|made| made.pinned),
        host_visible: None,
        allocation_id: facts.buffer_id,
        allocation_bytes: driver.address_range(address).ok().map(|(_, bytes)| bytes),
        access: match protection {
            Some(PROTECTION_READ) => Access::ReadOnly,
            Some(_) => Access::ReadWrite,
            None => set,
        },
    })
}

fn memory_type(facts: &PointerFacts) -> MemoryType {
    match facts.memory_type {
        Some(1) => MemoryType::Host,
        Some(2) => MemoryType::Device,
        Some(4) => MemoryType::Unified,
        _ => MemoryType::Unknown,
    }
}
