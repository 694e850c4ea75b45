//! What the device says of itself, and its context.

use super::{call, freeing, put};
use crate::faults::Faults;
use crate::state::{INVALID, whatever};
use std::ffi::{c_char, c_int, c_uint, c_void};

pub(crate) const UUID: [u8; 16] = *b"driver-double-01";

#[unsafe(no_mangle)]
pub extern "C" fn cuInit(_flags: c_uint) -> c_int {
    if Faults::now().number("devices") == Some(0) {
        100
    } else {
        0
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDriverGetVersion(version: *mut c_int) -> c_int {
    let said = Faults::now().number("driver").unwrap_or(12_040);
    put(version, c_int::try_from(said).unwrap_or(0));
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cuGetErrorName(status: c_int, name: *mut *const c_char) -> c_int {
    let text = match status {
        0 => c"CUDA_SUCCESS",
        1 => c"CUDA_ERROR_INVALID_VALUE",
        2 => c"CUDA_ERROR_OUT_OF_MEMORY",
        100 => c"CUDA_ERROR_NO_DEVICE",
        218 => c"CUDA_ERROR_INVALID_PTX",
        222 => c"CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
        500 => c"CUDA_ERROR_NOT_FOUND",
        700 => c"CUDA_ERROR_ILLEGAL_ADDRESS",
        719 => c"CUDA_ERROR_LAUNCH_FAILED",
        _ => return INVALID,
    };
    put(name, text.as_ptr());
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetCount(count: *mut c_int) -> c_int {
    put(count, 1);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> c_int {
    if ordinal != 0 {
        return 101;
    }
    put(device, 0);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetName(name: *mut c_char, room: c_int, _device: c_int) -> c_int {
    let faults = Faults::now();
    put_text(name, room, faults.text("name").unwrap_or("Driver Double"));
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetPCIBusId(bus: *mut c_char, room: c_int, _device: c_int) -> c_int {
    put_text(bus, room, "0000:65:00.0");
    0
}

pub(crate) fn put_text(place: *mut c_char, room: c_int, text: &str) {
    let room = usize::try_from(room).unwrap_or(0).saturating_sub(1);
    let bytes = text.bytes().take(room).chain([0]);
    for (at, byte) in bytes.enumerate() {
        put(place.wrapping_add(at), c_char::from_ne_bytes([byte]));
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], _device: c_int) -> c_int {
    put(uuid, UUID);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, _device: c_int) -> c_int {
    put(bytes, usize::try_from(total(&Faults::now())).unwrap_or(0));
    0
}

pub(crate) fn total(faults: &Faults) -> u64 {
    faults.number("total").unwrap_or(256 << 20)
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDeviceGetAttribute(
    value: *mut c_int,
    attribute: c_int,
    _device: c_int,
) -> c_int {
    let faults = Faults::now();
    let addressing = faults.number("addressing").unwrap_or(0);
    let answer = match attribute {
        16 => 4,
        18 => c_int::from(faults.has("integrated")),
        32 => c_int::from(faults.number("ecc") != Some(0)),
        36 => 2_619_000,
        37 => 5120,
        38 => 262_144,
        88 => c_int::from(addressing > 0),
        100 => c_int::from(addressing == 2),
        102 => 1,
        35 => 0,
        _ => return INVALID,
    };
    put(value, answer);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxRetain(context: *mut *mut c_void, _device: c_int) -> c_int {
    call(|state, _| {
        state.contexts += 1;
        put(context, std::ptr::without_provenance_mut(8));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxRelease_v2(_device: c_int) -> c_int {
    let mut state = whatever();
    match state.contexts.checked_sub(1) {
        Some(left) => {
            state.contexts = left;
            0
        }
        None => 201,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuCtxPushCurrent_v2(_context: *mut c_void) -> c_int {
    // Whatever is freed is freed in its context: only a dead one cannot be entered.
    freeing(|_, _| Ok(()))
}

#[unsafe(no_mangle)]
pub extern "C" fn cuCtxPopCurrent_v2(context: *mut *mut c_void) -> c_int {
    put(context, std::ptr::without_provenance_mut(8));
    0
}
