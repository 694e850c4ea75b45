//! What a driver's status means to a caller.

use super::sys::{Fault, Status};
use crate::{Code, DriverFault, VramError};

/// Statuses after which the context, or the device, is dead: nothing on it can be used again.
#[rustfmt::skip]
const DEADLY: [i32; 21] = [
    4,    // deinitialized
    46,   // device unavailable
    101,  // invalid device: it was there before
    201,  // invalid context
    214,  // uncorrectable memory error
    220,  // uncorrectable NVLink error
    700,  // illegal address: a store to a read-only mapping, too
    702,  // a display's watchdog
    709,  // context is destroyed
    710,  // assertion on the device
    713, 714, 715, 716, 717, 718, // hardware exceptions of kernels
    719,  // launch failed
    721, 722, // contained and uncontained memory errors
    809,  // MPS server is gone
    999,  // unknown, which is sticky
];

const NO_DEVICE: i32 = 100;
const UNSUPPORTED_PTX: i32 = 222;

impl From<Fault> for VramError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Missing(name) => Self::new(
                Code::DriverTooOld,
                format!("the driver has no {name}: install a newer one"),
            ),
            Fault::TooLarge(bytes) => Self {
                requested_bytes: Some(bytes),
                ..Self::new(
                    Code::AllocationFailed,
                    format!("{bytes} bytes are more than this machine can address"),
                )
            },
            Fault::Failed { call, status, name } => failed(call, status, name),
        }
    }
}

fn failed(call: &'static str, status: Status, name: String) -> VramError {
    let (code, message) = meaning(status);
    VramError {
        driver: Some(DriverFault {
            call,
            status: status.0.into(),
            name,
        }),
        ..VramError::new(code, message)
    }
}

fn meaning(status: Status) -> (Code, &'static str) {
    match status.0 {
        _ if status == Status::OUT_OF_MEMORY => (
            Code::AllocationFailed,
            "the driver has no memory for this on the device: free some, or choose another device",
        ),
        NO_DEVICE => (Code::NoDriver, "the driver finds no device"),
        UNSUPPORTED_PTX => (
            Code::DriverTooOld,
            "the driver is too old for the kernels: install R384 or later",
        ),
        status if DEADLY.contains(&status) => (
            Code::DeviceLost,
            "the device is lost, or its context died of a fault: nothing sealed there can be trusted; restart the process",
        ),
        _ => (
            Code::DriverFailed,
            "the driver refused a call that it should not refuse",
        ),
    }
}
