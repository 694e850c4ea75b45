//! What a driver's result means to a caller.

use super::sys::{Fault, LIBRARY, NotOpened};
use crate::{Code, DriverFault, VramError};
use ash::vk;

impl From<Fault> for VramError {
    fn from(Fault { call, result }: Fault) -> Self {
        let (code, message) = meaning(result);
        Self {
            driver: Some(DriverFault {
                call,
                status: result.as_raw().into(),
                name: name_of(result),
            }),
            ..Self::new(code, message)
        }
    }
}

/// `ERROR_UNKNOWN` and the like have their prefix in the specification.
fn name_of(result: vk::Result) -> String {
    format!("VK_{result:?}")
}

fn meaning(result: vk::Result) -> (Code, &'static str) {
    match result {
        vk::Result::ERROR_OUT_OF_DEVICE_MEMORY
        | vk::Result::ERROR_FRAGMENTED_POOL
        | vk::Result::ERROR_FRAGMENTATION
        | vk::Result::ERROR_OUT_OF_POOL_MEMORY => (
            Code::AllocationFailed,
            "the driver has no memory for this on the device: free some, or choose another device",
        ),
        vk::Result::ERROR_OUT_OF_HOST_MEMORY | vk::Result::ERROR_MEMORY_MAP_FAILED => (
            Code::AllocationFailed,
            "the driver has no memory for this on the host: free some",
        ),
        vk::Result::ERROR_TOO_MANY_OBJECTS => (
            Code::AllocationFailed,
            "the driver allows no more allocations: free some",
        ),
        vk::Result::ERROR_DEVICE_LOST => (
            Code::DeviceLost,
            "the device is lost: nothing sealed there can be trusted; restart the process",
        ),
        vk::Result::ERROR_INCOMPATIBLE_DRIVER => (
            Code::NoDriver,
            "no Vulkan driver is installed for any device of this machine",
        ),
        vk::Result::ERROR_EXTENSION_NOT_PRESENT | vk::Result::ERROR_FEATURE_NOT_PRESENT => (
            Code::DriverTooOld,
            "the driver lacks what it said that it has: install a newer one",
        ),
        _ => (
            Code::DriverFailed,
            "the driver refused a call that it should not refuse",
        ),
    }
}

impl From<NotOpened> for VramError {
    fn from(why: NotOpened) -> Self {
        match why {
            NotOpened::Absent(reason) => Self::new(
                Code::NoDriver,
                format!("Vulkan's loader is not installed: {reason}"),
            ),
            NotOpened::Missing(name) => {
                let name = name.to_string_lossy();
                Self::new(
                    Code::DriverTooOld,
                    format!("{LIBRARY} lacks {name}: install one for Vulkan 1.1 or later"),
                )
            }
            NotOpened::Refused(fault) => fault.into(),
        }
    }
}

#[cfg(test)]
mod tests;
