//! NVML's functions.

use crate::cuda::{put, take};
use crate::faults::Faults;
use crate::state::whatever;
use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

const NOT_SUPPORTED: c_int = 3;
const NOT_FOUND: c_int = 6;
const NOT_AVAILABLE: c_ulonglong = c_ulonglong::MAX;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MemoryInfo {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessInfo {
    pid: c_uint,
    used: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct AddressingMode {
    version: c_uint,
    value: c_uint,
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> c_int {
    c_int::from(Faults::now().has("no_nvml")) * 9
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlSystemGetDriverVersion(text: *mut c_char, room: c_uint) -> c_int {
    let room = c_int::try_from(room).unwrap_or(0);
    crate::cuda::put_text(text, room, "550.54.15");
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetHandleByUUID(
    uuid: *const c_char,
    device: *mut *mut c_void,
) -> c_int {
    // SAFETY: nvml.h says that the name ends in a zero byte.
    let uuid = unsafe { std::ffi::CStr::from_ptr(uuid) }.to_string_lossy();
    let prefix = if Faults::now().has("mig") {
        "MIG-"
    } else {
        "GPU-"
    };
    if !uuid.starts_with(prefix) {
        return NOT_FOUND;
    }
    put(device, std::ptr::without_provenance_mut(1));
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMemoryInfo_v2(_: *mut c_void, info: *mut MemoryInfo) -> c_int {
    let faults = Faults::now();
    let used = whatever().used_bytes() + crate::ledger::others(&faults);
    let total = crate::cuda::total(&faults);
    let answer = MemoryInfo {
        version: take(info).version,
        total,
        reserved: 0,
        free: total.saturating_sub(used),
        used,
    };
    put(info, answer);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    _: *mut c_void,
    count: *mut c_uint,
    list: *mut ProcessInfo,
) -> c_int {
    let faults = Faults::now();
    let (contexts, used) = {
        let state = whatever();
        (state.contexts, state.used_bytes())
    };
    // Without a context a process is not on the device.
    if contexts == 0 {
        put(count, 0);
        return 0;
    }
    let me = ProcessInfo {
        pid: std::process::id() + c_uint::from(faults.has("host_pids")),
        used: match faults.text("uncounted") {
            Some("zero") => 0,
            Some(_) => NOT_AVAILABLE,
            None => used,
        },
        gpu_instance: 0,
        compute_instance: 0,
    };
    put(count, 1);
    put(list, me);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetEccMode(
    _: *mut c_void,
    now: *mut c_uint,
    later: *mut c_uint,
) -> c_int {
    let on = c_uint::from(Faults::now().number("ecc") != Some(0));
    put(now, on);
    put(later, on);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetTotalEccErrors(
    _: *mut c_void,
    _kind: c_int,
    _since: c_int,
    count: *mut c_ulonglong,
) -> c_int {
    put(count, Faults::now().number("ecc_errors").unwrap_or(0));
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetRemappedRows(
    _: *mut c_void,
    corrected: *mut c_uint,
    uncorrected: *mut c_uint,
    pending: *mut c_uint,
    failed: *mut c_uint,
) -> c_int {
    put(corrected, 0);
    put(uncorrected, 0);
    put(
        pending,
        c_uint::from(Faults::now().has("row_remap_pending")),
    );
    put(failed, 0);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMigMode(
    _: *mut c_void,
    now: *mut c_uint,
    later: *mut c_uint,
) -> c_int {
    let on = c_uint::from(Faults::now().has("mig"));
    put(now, on);
    put(later, on);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetAddressingMode(_: *mut c_void, mode: *mut AddressingMode) -> c_int {
    let value = Faults::now().number("addressing").unwrap_or(0);
    let answer = AddressingMode {
        version: take(mode).version,
        value: c_uint::try_from(value).unwrap_or(0),
    };
    put(mode, answer);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMaxPcieLinkGeneration(_: *mut c_void, value: *mut c_uint) -> c_int {
    put(value, 5);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMaxPcieLinkWidth(_: *mut c_void, value: *mut c_uint) -> c_int {
    put(value, 16);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetC2cModeInfoV(_: *mut c_void, _value: *mut c_uint) -> c_int {
    NOT_SUPPORTED
}
