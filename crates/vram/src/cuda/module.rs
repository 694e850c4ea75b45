//! The kernels: committed PTX, compiled by the driver.

use super::sys::{Driver, Function, Module};
use crate::{Code, KernelFacts, VramError};
use std::ffi::CStr;

/// Made of kernels.cu by scripts/kernels.mjs.
const TEXT: &str = concat!(include_str!("../../kernels/kernels.ptx"), "\0");

/// The loaded kernels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernels {
    module: Module,
    pub(super) tiles: Function,
    pub(super) tiles_by_multiplying: Function,
    pub(super) parents: Function,
    pub(super) latency: Function,
}

impl Kernels {
    /// Has the driver compile them, in its current context.
    pub(super) fn load(driver: &Driver) -> Result<Self, VramError> {
        let text = CStr::from_bytes_with_nul(TEXT.as_bytes())
            .map_err(|_| VramError::new(Code::Internal, "the kernels' text holds a zero byte"))?;
        let module = driver.load_module(text).map_err(|(fault, words)| {
            let mut error = VramError::from(fault);
            if !words.is_empty() {
                error.message = format!("{}; its compiler says: {words}", error.message);
            }
            error
        })?;
        Self::of(driver, module).inspect_err(|_| drop(driver.unload_module(module)))
    }

    fn of(driver: &Driver, module: Module) -> Result<Self, VramError> {
        Ok(Self {
            module,
            tiles: driver.function(module, c"tiles")?,
            tiles_by_multiplying: driver.function(module, c"tiles_by_multiplying")?,
            parents: driver.function(module, c"parents")?,
            latency: driver.function(module, c"latency")?,
        })
    }

    pub(super) fn unload(&self, driver: &Driver) -> Result<(), VramError> {
        Ok(driver.unload_module(self.module)?)
    }
}

/// What the evidence says of them.
pub(super) fn facts(driver: &Driver) -> KernelFacts {
    let text = TEXT.trim_end_matches('\0');
    KernelFacts {
        name: "ptx-6.0-sm_52",
        blake3: (*blake3::hash(text.as_bytes()).as_bytes()).into(),
        driver_library: driver.library().to_owned(),
    }
}
