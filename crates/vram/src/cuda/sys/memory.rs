//! Memory: allocations, mappings, pinned host memory, copies, and what the driver says of an address.

use super::context::handle;
use super::run::Stream;
use super::table::{
    AccessDescription, AllocationProperties, Driver, Fault, Location, Opaque, call,
};
use std::ffi::{c_int, c_uint};

/// The device may read a mapping.
pub(in crate::cuda) const PROTECTION_READ: i32 = 1;
/// The device may read and write a mapping.
pub(in crate::cuda) const PROTECTION_READ_WRITE: i32 = 3;

const TYPE_PINNED: c_int = 1;
const LOCATION_DEVICE: c_int = 1;
const GRANULARITY_MINIMUM: c_int = 0;
const HOST_PORTABLE_AND_MAPPED: c_uint = 1 | 2;

/// The driver's name for an allocation that no address stands for yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cuda) struct Allocation(u64);

/// What an allocation was made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cuda) struct AllocationFacts {
    pub(in crate::cuda) pinned: bool,
    /// The device that it was made on; nothing where it was made elsewhere.
    pub(in crate::cuda) device: Option<i32>,
}

/// What the driver says of an address. A fact is absent where the driver does not know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cuda) struct PointerFacts {
    /// 1 host, 2 device, 3 array, 4 unified.
    pub(in crate::cuda) memory_type: Option<u32>,
    pub(in crate::cuda) managed: Option<bool>,
    pub(in crate::cuda) device: Option<i32>,
    pub(in crate::cuda) buffer_id: Option<u64>,
}

/// Pinned memory of the host. Freed when it is dropped.
pub(in crate::cuda) struct HostMemory {
    driver: &'static Driver,
    start: *mut u8,
    bytes: usize,
}

// SAFETY: the memory is this value's alone, and the driver takes its address from any thread.
unsafe impl Send for HostMemory {}

fn on(device: i32) -> AllocationProperties {
    AllocationProperties {
        kind: TYPE_PINNED,
        location: at(device),
        ..AllocationProperties::default()
    }
}

fn at(device: i32) -> Location {
    Location {
        kind: LOCATION_DEVICE,
        id: device,
    }
}

impl Driver {
    /// Free and total bytes of the current context's device.
    pub(in crate::cuda) fn memory_info(&self) -> Result<(u64, u64), Fault> {
        let (mut free, mut total) = (0, 0);
        call!(self, cuMemGetInfo_v2(&raw mut free, &raw mut total))?;
        Ok((free as u64, total as u64))
    }

    /// An allocation is a multiple of this many bytes.
    pub(in crate::cuda) fn granularity(&self, device: i32) -> Result<u64, Fault> {
        let (mut bytes, properties) = (0, on(device));
        let wanted = GRANULARITY_MINIMUM;
        call!(
            self,
            cuMemGetAllocationGranularity(&raw mut bytes, &raw const properties, wanted)
        )?;
        Ok(bytes as u64)
    }

    /// Makes an allocation, pinned on the device.
    pub(in crate::cuda) fn create(&self, device: i32, bytes: u64) -> Result<Allocation, Fault> {
        let (mut allocation, properties) = (0, on(device));
        let bytes = size(bytes)?;
        call!(
            self,
            cuMemCreate(&raw mut allocation, bytes, &raw const properties, 0)
        )?;
        Ok(Allocation(allocation))
    }

    pub(in crate::cuda) fn release(&self, allocation: Allocation) -> Result<(), Fault> {
        call!(self, cuMemRelease(allocation.0))
    }

    pub(in crate::cuda) fn reserve(&self, bytes: u64) -> Result<u64, Fault> {
        let mut address = 0;
        call!(
            self,
            cuMemAddressReserve(&raw mut address, size(bytes)?, 0, 0, 0)
        )?;
        Ok(address)
    }

    pub(in crate::cuda) fn unreserve(&self, address: u64, bytes: u64) -> Result<(), Fault> {
        call!(self, cuMemAddressFree(address, size(bytes)?))
    }

    pub(in crate::cuda) fn map(
        &self,
        address: u64,
        bytes: u64,
        allocation: Allocation,
    ) -> Result<(), Fault> {
        call!(self, cuMemMap(address, size(bytes)?, 0, allocation.0, 0))
    }

    pub(in crate::cuda) fn unmap(&self, address: u64, bytes: u64) -> Result<(), Fault> {
        call!(self, cuMemUnmap(address, size(bytes)?))
    }

    pub(in crate::cuda) fn set_access(
        &self,
        address: u64,
        bytes: u64,
        device: i32,
        protection: i32,
    ) -> Result<(), Fault> {
        let access = AccessDescription {
            location: at(device),
            flags: protection,
        };
        call!(
            self,
            cuMemSetAccess(address, size(bytes)?, &raw const access, 1)
        )
    }

    /// The protection that the device has at an address, by the driver's own tables.
    pub(in crate::cuda) fn access(&self, address: u64, device: i32) -> Result<i32, Fault> {
        let (mut flags, location) = (0_u64, at(device));
        call!(
            self,
            cuMemGetAccess(&raw mut flags, &raw const location, address)
        )?;
        Ok(i32::try_from(flags).unwrap_or(PROTECTION_READ_WRITE))
    }

    /// What the allocation behind an address was made as; only memory of [`Driver::create`] has one.
    pub(in crate::cuda) fn allocation_facts(&self, address: u64) -> Result<AllocationFacts, Fault> {
        let mut allocation = 0;
        let pointer = handle(usize::try_from(address).unwrap_or(0));
        call!(
            self,
            cuMemRetainAllocationHandle(&raw mut allocation, pointer)
        )?;
        let facts = self.properties(allocation);
        self.release(Allocation(allocation))?;
        facts
    }

    fn properties(&self, allocation: u64) -> Result<AllocationFacts, Fault> {
        let mut found = AllocationProperties::default();
        call!(
            self,
            cuMemGetAllocationPropertiesFromHandle(&raw mut found, allocation)
        )?;
        Ok(AllocationFacts {
            pinned: found.kind == TYPE_PINNED,
            device: (found.location.kind == LOCATION_DEVICE).then_some(found.location.id),
        })
    }

    /// What the driver says of an address.
    ///
    /// # Errors
    /// Where it does not know the address at all.
    pub(in crate::cuda) fn pointer_facts(&self, address: u64) -> Result<PointerFacts, Fault> {
        const MEMORY_TYPE: c_int = 2;
        const BUFFER_ID: c_int = 7;
        const IS_MANAGED: c_int = 8;
        const DEVICE_ORDINAL: c_int = 9;
        let kind = self.pointer_fact(address, MEMORY_TYPE)?;
        let fact = |which| self.pointer_fact(address, which).ok();
        Ok(PointerFacts {
            memory_type: Some((kind & 0xffff_ffff) as u32),
            managed: fact(IS_MANAGED).map(|value| value & 0xff != 0),
            device: fact(DEVICE_ORDINAL).map(|value| ((value & 0xffff_ffff) as u32).cast_signed()),
            buffer_id: fact(BUFFER_ID).filter(|&id| id != 0),
        })
    }

    /// One at a time: an attribute that a driver does not know must not hide the others. The value
    /// is at most eight bytes, little end first, as on every machine that has this driver.
    fn pointer_fact(&self, address: u64, which: c_int) -> Result<u64, Fault> {
        let mut value = 0_u64;
        let mut place: Opaque = (&raw mut value).cast();
        call!(
            self,
            cuPointerGetAttributes(1, &raw const which, &raw mut place, address)
        )?;
        Ok(value)
    }

    /// Where the allocation starts that an address lies in, and how long it is, in bytes.
    pub(in crate::cuda) fn address_range(&self, address: u64) -> Result<(u64, u64), Fault> {
        let (mut start, mut bytes) = (0, 0);
        call!(
            self,
            cuMemGetAddressRange_v2(&raw mut start, &raw mut bytes, address)
        )?;
        Ok((start, bytes as u64))
    }

    /// Plain device memory, for scratch.
    pub(in crate::cuda) fn allocate(&self, bytes: u64) -> Result<u64, Fault> {
        let mut address = 0;
        call!(self, cuMemAlloc_v2(&raw mut address, size(bytes)?))?;
        Ok(address)
    }

    pub(in crate::cuda) fn free(&self, address: u64) -> Result<(), Fault> {
        call!(self, cuMemFree_v2(address))
    }

    pub(in crate::cuda) fn set_bytes(
        &self,
        address: u64,
        value: u8,
        bytes: u64,
        stream: Stream,
    ) -> Result<(), Fault> {
        call!(
            self,
            cuMemsetD8Async(address, value, size(bytes)?, handle(stream.0))
        )
    }

    /// Starts a copy from one place on the device to another.
    pub(in crate::cuda) fn copy_on_device(
        &self,
        to: u64,
        from: u64,
        bytes: u64,
        stream: Stream,
    ) -> Result<(), Fault> {
        call!(
            self,
            cuMemcpyDtoDAsync_v2(to, from, size(bytes)?, handle(stream.0))
        )
    }

    /// Copies from the device; waits until the bytes are there.
    pub(in crate::cuda) fn copy_out(&self, into: &mut [u8], address: u64) -> Result<(), Fault> {
        call!(
            self,
            cuMemcpyDtoH_v2(into.as_mut_ptr().cast(), address, into.len())
        )
    }

    pub(in crate::cuda) fn host_memory(&'static self, bytes: usize) -> Result<HostMemory, Fault> {
        let mut start: Opaque = std::ptr::null_mut();
        call!(
            self,
            cuMemHostAlloc(&raw mut start, bytes, HOST_PORTABLE_AND_MAPPED)
        )?;
        let memory = HostMemory {
            driver: self,
            start: start.cast(),
            bytes,
        };
        // SAFETY: the driver gave that many bytes, and nobody else has them.
        unsafe { memory.start.write_bytes(0, bytes) };
        Ok(memory)
    }

    fn free_host(&self, start: *mut u8) -> Result<(), Fault> {
        call!(self, cuMemFreeHost(start.cast()))
    }
}

impl HostMemory {
    pub(in crate::cuda) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the memory is this value's alone, has that many bytes, and was zeroed when it was made.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.bytes) }
    }

    /// Starts a copy of the first `bytes` bytes to the device. They must stay as they are until the
    /// stream has passed it: whoever fills them again waits for an event first.
    pub(in crate::cuda) fn copy_in(
        &self,
        bytes: usize,
        address: u64,
        stream: Stream,
    ) -> Result<(), Fault> {
        let bytes = bytes.min(self.bytes);
        call!(
            self.driver,
            cuMemcpyHtoDAsync_v2(address, self.start.cast(), bytes, handle(stream.0))
        )
    }

    /// By which address the device sees this memory.
    pub(in crate::cuda) fn device_address(&self) -> Result<u64, Fault> {
        let mut address = 0;
        call!(
            self.driver,
            cuMemHostGetDevicePointer_v2(&raw mut address, self.start.cast(), 0)
        )?;
        Ok(address)
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // A dead context has freed it already.
        drop(self.driver.free_host(self.start));
    }
}

/// A size that this machine can address.
fn size(bytes: u64) -> Result<usize, Fault> {
    usize::try_from(bytes).map_err(|_| Fault::TooLarge(bytes))
}
