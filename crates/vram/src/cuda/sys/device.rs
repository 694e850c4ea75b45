//! What the driver says about devices.

use super::table::{Driver, Fault, call};
use std::ffi::{CStr, c_char, c_int};

/// Room for a name or a bus address, the zero byte included.
const TEXT_BYTES: usize = 256;

/// The attributes that are asked for, by the driver's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(in crate::cuda) enum Attribute {
    Multiprocessors = 16,
    Integrated = 18,
    EccEnabled = 32,
    TccDriver = 35,
    MemoryClockKilohertz = 36,
    BusWidthBits = 37,
    L2CacheBytes = 38,
    PageableMemoryAccess = 88,
    HostPageTables = 100,
    VirtualMemoryManagement = 102,
}

impl Driver {
    pub(in crate::cuda) fn device_count(&self) -> Result<i32, Fault> {
        let mut count = 0;
        call!(self, cuDeviceGetCount(&raw mut count))?;
        Ok(count)
    }

    pub(in crate::cuda) fn device(&self, ordinal: i32) -> Result<i32, Fault> {
        let mut device = 0;
        call!(self, cuDeviceGet(&raw mut device, ordinal))?;
        Ok(device)
    }

    pub(in crate::cuda) fn device_name(&self, device: i32) -> Result<String, Fault> {
        let mut text = [0; TEXT_BYTES];
        call!(self, cuDeviceGetName(text.as_mut_ptr(), room(), device))?;
        Ok(text_of(&text))
    }

    pub(in crate::cuda) fn device_bus(&self, device: i32) -> Result<String, Fault> {
        let mut text = [0; TEXT_BYTES];
        call!(self, cuDeviceGetPCIBusId(text.as_mut_ptr(), room(), device))?;
        Ok(text_of(&text))
    }

    pub(in crate::cuda) fn device_uuid(&self, device: i32) -> Result<[u8; 16], Fault> {
        let mut uuid = [0; 16];
        call!(self, cuDeviceGetUuid_v2(&raw mut uuid, device))?;
        Ok(uuid)
    }

    pub(in crate::cuda) fn device_bytes(&self, device: i32) -> Result<u64, Fault> {
        let mut bytes = 0;
        call!(self, cuDeviceTotalMem_v2(&raw mut bytes, device))?;
        Ok(bytes as u64)
    }

    /// The attribute; nothing where this driver does not know it.
    pub(in crate::cuda) fn attribute(&self, device: i32, which: Attribute) -> Option<i32> {
        self.try_attribute(device, which as c_int).ok()
    }

    fn try_attribute(&self, device: i32, which: c_int) -> Result<i32, Fault> {
        let mut value = 0;
        call!(self, cuDeviceGetAttribute(&raw mut value, which, device))?;
        Ok(value)
    }
}

fn room() -> c_int {
    c_int::try_from(TEXT_BYTES).unwrap_or(0)
}

/// The text up to its zero byte; all of it where a driver forgot the byte.
fn text_of(text: &[c_char; TEXT_BYTES]) -> String {
    // A C character has a sign on some processors and none on others.
    let bytes: Vec<u8> = text.iter().flat_map(|c| c.to_ne_bytes()).collect();
    match CStr::from_bytes_until_nul(&bytes) {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}
