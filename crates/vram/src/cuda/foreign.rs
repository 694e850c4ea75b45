//! Somebody else's memory in this process: read where it lies, and nothing else.

use super::gpu::Opened;
use super::hashing::Worker;
use super::memory::placement_of;
use super::probe;
use crate::{Access, Code, HashJob, HashRun, Memory, PageCycles, Placement, RootJob, VramError};
use digest::{Blake3Digest, Tiling};
use std::sync::Arc;

/// A range that another library allocated in the same context, such as an engine's weights.
pub(super) struct Foreign {
    opened: Arc<Opened>,
    worker: Worker,
    address: u64,
    bytes: u64,
}

impl Foreign {
    /// Asks the driver first: what it does not know is not followed.
    pub(super) fn of(opened: Arc<Opened>, address: u64, bytes: u64) -> Result<Self, VramError> {
        let entered = opened.enter()?;
        let known = opened.driver.address_range(address);
        let (start, length) = known.map_err(|fault| VramError {
            code: Code::BadRange,
            message: format!("{address:#x} is no memory that the driver knows"),
            ..fault.into()
        })?;
        let inside = address
            .checked_sub(start)
            .and_then(|offset| offset.checked_add(bytes))
            .is_some_and(|end| end <= length);
        if !inside || bytes == 0 {
            let message =
                format!("{bytes} bytes at {address:#x} do not lie in one allocation of {length}");
            return Err(VramError::new(Code::BadRange, message));
        }
        let worker = Worker::new(opened.clone())?;
        drop(entered);
        Ok(Self {
            opened,
            worker,
            address,
            bytes,
        })
    }
}

impl Foreign {
    fn holds(&self, tiling: Tiling) -> Result<(), VramError> {
        if tiling.bytes_total() <= self.bytes {
            return Ok(());
        }
        let message = "bytes behind the end of the range were to be read";
        Err(VramError::new(Code::Internal, message))
    }
}

fn not_ours() -> VramError {
    VramError::new(Code::Internal, "another library's memory is only ever read")
}

impl Memory for Foreign {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn pointer(&self) -> Option<u64> {
        Some(self.address)
    }

    fn upload(&mut self, _: u64, _: &[u8]) -> Result<(), VramError> {
        Err(not_ours())
    }

    fn flush(&mut self) -> Result<(), VramError> {
        Ok(())
    }

    fn protect(&mut self) -> Result<Access, VramError> {
        Err(not_ours())
    }

    fn hash(&mut self, job: &HashJob) -> Result<HashRun, VramError> {
        self.holds(job.tiling)?;
        let opened = self.opened.clone();
        let _entered = opened.enter()?;
        self.worker.hash(self.address, job)
    }

    fn root(&mut self, job: &RootJob<'_>) -> Result<Blake3Digest, VramError> {
        self.holds(job.tiling)?;
        let opened = self.opened.clone();
        let _entered = opened.enter()?;
        self.worker.root(self.address, job)
    }

    fn placement(&self) -> Result<Placement, VramError> {
        let _entered = self.opened.enter()?;
        placement_of(&self.opened, self.address, Access::ReadWrite)
    }

    fn latency(&mut self, seed: u32) -> Result<Option<PageCycles>, VramError> {
        let opened = self.opened.clone();
        let _entered = opened.enter()?;
        probe::pages(&mut self.worker, self.address, self.bytes, seed).map(Some)
    }

    fn release(self: Box<Self>) -> Result<u64, VramError> {
        Ok(0)
    }
}
