//! A CUDA runtime, as far as an engine needs one to put its weights on the device. The driver does the work.

use crate::cuda::{cuMemAlloc_v2, cuMemcpyHtoD_v2, put};
use std::ffi::{c_int, c_void};

const HOST_TO_DEVICE: c_int = 1;
const INVALID_VALUE: c_int = 1;
const INVALID_DEVICE: c_int = 101;

#[unsafe(no_mangle)]
pub extern "C" fn cudaSetDevice(ordinal: c_int) -> c_int {
    if ordinal == 0 { 0 } else { INVALID_DEVICE }
}

#[unsafe(no_mangle)]
pub extern "C" fn cudaRuntimeGetVersion(version: *mut c_int) -> c_int {
    put(version, 12_040);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cudaMalloc(address: *mut *mut c_void, bytes: usize) -> c_int {
    cuMemAlloc_v2(address.cast(), bytes)
}

#[unsafe(no_mangle)]
pub extern "C" fn cudaMemcpy(
    to: *mut c_void,
    from: *const c_void,
    bytes: usize,
    kind: c_int,
) -> c_int {
    if kind != HOST_TO_DEVICE {
        return INVALID_VALUE;
    }
    cuMemcpyHtoD_v2(to.addr() as u64, from, bytes)
}
