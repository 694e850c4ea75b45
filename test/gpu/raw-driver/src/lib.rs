//! The CUDA driver, used past the product: what an engine, a stray kernel or a stray copy of the same process
//! does. Nothing that ships depends on it.
//!
//! Every call answers in the driver's own words, and a driver without the function answers too.

mod answer;
mod memory;
mod pointer;
mod runtime;
mod write;

pub use answer::Answer;
pub use memory::Place;
pub use pointer::Attribute;
pub use runtime::Runtime;
pub use write::{Attempt, Way};

use answer::call;
use libloading::Library;
use std::cell::RefCell;
use std::ffi::{c_int, c_void};

type Opaque = *mut c_void;

/// The driver's library, with the device's primary context current on the thread that opened it.
pub struct Raw {
    library: Library,
    ordinal: c_int,
    /// The host's memory that the driver gave: addresses and bytes.
    pinned: RefCell<Vec<(u64, usize)>>,
}

impl Raw {
    /// Of the device with this ordinal.
    ///
    /// # Errors
    /// Where there is no driver, or what it says.
    pub fn open(ordinal: i32) -> Result<Self, Answer> {
        // SAFETY: it is the library that the product has open already, under the same name.
        let library = unsafe { Library::new("libcuda.so.1") };
        let library = library.map_err(|_| Answer::missing("libcuda.so.1"))?;
        let raw = Self {
            library,
            ordinal,
            pinned: RefCell::default(),
        };
        call!(raw, cuInit(u32 = 0)).ok()?;
        let (mut device, mut context): (c_int, Opaque) = (0, std::ptr::null_mut());
        call!(
            raw,
            cuDeviceGet(*mut c_int = &raw mut device, c_int = ordinal)
        )
        .ok()?;
        call!(
            raw,
            cuDevicePrimaryCtxRetain(*mut Opaque = &raw mut context, c_int = device)
        )
        .ok()?;
        call!(raw, cuCtxPushCurrent_v2(Opaque = context)).ok()?;
        Ok(raw)
    }

    /// Waits for everything that was begun in the context.
    pub fn synchronize(&self) -> Answer {
        call!(self, cuCtxSynchronize())
    }
}
