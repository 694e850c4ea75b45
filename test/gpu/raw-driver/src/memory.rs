//! Memory of each kind. What a caller was given is never freed: a test's process ends soon.

use crate::answer::call;
use crate::{Answer, Opaque, Raw};
use std::ffi::{c_int, c_uint};
use std::time::{Duration, Instant};

const HOST_PORTABLE_AND_MAPPED: c_uint = 1 | 2;
const ATTACH_GLOBAL: c_uint = 1;
const LOCATION_DEVICE: c_int = 1;
const PROTECTION_READ: c_int = 1;
const PROTECTION_READ_WRITE: c_int = 3;
/// The driver's number of the processor, as a place for managed memory.
const PROCESSOR: c_int = -1;

/// A kind of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// As cudaMalloc makes it.
    Device,
    /// The host's, pinned, which the device can read.
    Host,
    /// Which the driver may move.
    Managed,
}

impl Raw {
    /// So many bytes, at an address that the device knows.
    pub fn allocate(&self, place: Place, bytes: usize) -> Result<u64, Answer> {
        let mut address = 0_u64;
        let mut host: Opaque = std::ptr::null_mut();
        let made = match place {
            Place::Device => call!(
                self,
                cuMemAlloc_v2(*mut u64 = &raw mut address, usize = bytes)
            ),
            Place::Host => call!(
                self,
                cuMemHostAlloc(
                    *mut Opaque = &raw mut host,
                    usize = bytes,
                    c_uint = HOST_PORTABLE_AND_MAPPED
                )
            ),
            Place::Managed => call!(
                self,
                cuMemAllocManaged(
                    *mut u64 = &raw mut address,
                    usize = bytes,
                    c_uint = ATTACH_GLOBAL
                )
            ),
        };
        made.ok()?;
        if place == Place::Host {
            // One address serves both sides, on every device of 64 bits.
            address = host.expose_provenance() as u64;
            self.pinned.borrow_mut().push((address, bytes));
        }
        Ok(address)
    }

    /// The same, holding these bytes.
    pub fn filled(&self, place: Place, bytes: &[u8]) -> Result<u64, Answer> {
        let address = self.allocate(place, bytes.len())?;
        self.fill(address, bytes)?;
        Ok(address)
    }

    /// Puts bytes into memory of any kind, and waits. The driver copies to none that is the host's.
    pub fn fill(&self, address: u64, bytes: &[u8]) -> Result<(), Answer> {
        if !self.is_pinned(address, bytes.len()) {
            return self.copy_in(address, bytes).ok();
        }
        let place = usize::try_from(address).unwrap_or(0);
        let place = std::ptr::with_exposed_provenance_mut::<u8>(place);
        // SAFETY: the driver gave so many bytes there, which are never freed.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        Ok(())
    }

    fn is_pinned(&self, address: u64, bytes: usize) -> bool {
        let end = address.saturating_add(bytes as u64);
        let pinned = self.pinned.borrow();
        let mut ranges = pinned.iter();
        ranges.any(|&(start, length)| start <= address && end <= start + length as u64)
    }

    /// Copies to the device's memory, and waits.
    pub fn copy_in(&self, address: u64, bytes: &[u8]) -> Answer {
        let from = bytes.as_ptr().cast_mut().cast();
        call!(
            self,
            cuMemcpyHtoD_v2(u64 = address, Opaque = from, usize = bytes.len())
        )
    }

    /// Copies from the device's memory, and waits.
    pub fn copy_out(&self, into: &mut [u8], address: u64) -> Answer {
        let place = into.as_mut_ptr().cast();
        call!(
            self,
            cuMemcpyDtoH_v2(Opaque = place, u64 = address, usize = into.len())
        )
    }

    /// Gives the device the right to write to a mapping, or takes it.
    pub fn set_writable(&self, address: u64, bytes: usize, writable: bool) -> Answer {
        let protection = if writable {
            PROTECTION_READ_WRITE
        } else {
            PROTECTION_READ
        };
        let access = [LOCATION_DEVICE, self.ordinal, protection];
        call!(
            self,
            cuMemSetAccess(
                u64 = address,
                usize = bytes,
                *const [c_int; 3] = &raw const access,
                usize = 1
            )
        )
    }

    /// Asks that managed memory be moved to the device, or to the host, and waits.
    pub fn prefetch(&self, address: u64, bytes: usize, to_device: bool) -> Answer {
        let place = if to_device { self.ordinal } else { PROCESSOR };
        let stream: Opaque = std::ptr::null_mut();
        let asked = call!(
            self,
            cuMemPrefetchAsync(u64 = address, usize = bytes, c_int = place, Opaque = stream)
        );
        if asked.status == 0 {
            self.synchronize()
        } else {
            asked
        }
    }

    /// How long a copy of so many bytes from pinned memory to the device takes at best.
    pub fn copy_in_time(&self, bytes: usize, tries: u32) -> Result<Duration, Answer> {
        let from = self.allocate(Place::Host, bytes)?;
        let to = self.allocate(Place::Device, bytes)?;
        let mut best = Duration::MAX;
        for _ in 0..tries.max(1) {
            let started = Instant::now();
            let source = std::ptr::with_exposed_provenance_mut(usize::try_from(from).unwrap_or(0));
            call!(
                self,
                cuMemcpyHtoD_v2(u64 = to, Opaque = source, usize = bytes)
            )
            .ok()?;
            self.synchronize().ok()?;
            best = best.min(started.elapsed());
        }
        call!(self, cuMemFree_v2(u64 = to)).ok()?;
        self.pinned.borrow_mut().retain(|&(start, _)| start != from);
        let from = std::ptr::with_exposed_provenance_mut(usize::try_from(from).unwrap_or(0));
        call!(self, cuMemFreeHost(Opaque = from)).ok()?;
        Ok(best)
    }
}
