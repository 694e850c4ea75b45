//! The CUDA runtime, as an engine uses it.

use crate::answer::{call_in, runtime_name};
use crate::{Answer, Opaque};
use libloading::Library;
use std::ffi::{c_int, c_void};

const HOST_TO_DEVICE: c_int = 1;

/// The runtime's library, set to one device.
pub struct Runtime(Library);

impl Runtime {
    /// Opens this library: a file, or a name that the system looks for.
    ///
    /// # Errors
    /// Where there is none, or what it says: one that is newer than the driver will not start.
    pub fn open(library: &str, ordinal: i32) -> Result<Self, Answer> {
        // SAFETY: whoever runs the check names NVIDIA's library, or the system finds it under its own name.
        let library = unsafe { Library::new(library) };
        let runtime = Self(library.map_err(|_| Answer::missing("libcudart"))?);
        runtime.set_device(ordinal).ok()?;
        Ok(runtime)
    }

    fn set_device(&self, ordinal: c_int) -> Answer {
        call_in!(runtime_name, &self.0, cudaSetDevice(c_int = ordinal))
    }

    /// As 1000 x major + 10 x minor.
    pub fn version(&self) -> Result<i32, Answer> {
        let mut version = 0;
        let place = &raw mut version;
        call_in!(
            runtime_name,
            &self.0,
            cudaRuntimeGetVersion(*mut c_int = place)
        )
        .ok()?;
        Ok(version)
    }

    /// cudaMalloc. Never freed.
    pub fn allocate(&self, bytes: usize) -> Result<u64, Answer> {
        let mut address: Opaque = std::ptr::null_mut();
        let place = &raw mut address;
        call_in!(
            runtime_name,
            &self.0,
            cudaMalloc(*mut Opaque = place, usize = bytes)
        )
        .ok()?;
        Ok(address.addr() as u64)
    }

    /// cudaMemcpy to the device.
    pub fn copy_in(&self, address: u64, bytes: &[u8]) -> Answer {
        let to: Opaque = std::ptr::without_provenance_mut(usize::try_from(address).unwrap_or(0));
        let from: *const c_void = bytes.as_ptr().cast();
        call_in!(
            runtime_name,
            &self.0,
            cudaMemcpy(
                Opaque = to,
                *const c_void = from,
                usize = bytes.len(),
                c_int = HOST_TO_DEVICE
            )
        )
    }
}
