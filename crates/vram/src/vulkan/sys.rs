//! The driver's functions, wrapped: the only unsafe code of this backend.
//!
//! `ash` gives the types and the tables of functions. Where a function is absent, its table holds one
//! that panics; so all that are used are looked for first, once, when an instance or a device is made.
//! A wrapper that owns something of the driver's gives it back when it is dropped, and keeps what that
//! something was made of alive.

mod buffer;
mod commands;
mod descriptors;
mod device;
mod instance;
mod physical;
mod pipeline;

pub(super) use buffer::{Buffer, Place};
pub(super) use commands::{Commands, Recording};
pub(super) use descriptors::{Set, Sets};
pub(super) use device::{Device, Wanted};
pub(super) use instance::{Instance, LIBRARY, NotOpened};
pub(super) use physical::Physical;
pub(super) use pipeline::{Pipelines, Shader, TOLD_BYTES, Told};

use ash::vk;

/// A call that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) call: &'static str,
    pub(super) result: vk::Result,
}

/// Names the call that a result came from.
trait Named<T> {
    fn named(self, call: &'static str) -> Result<T, Fault>;
}

impl<T> Named<T> for Result<T, vk::Result> {
    fn named(self, call: &'static str) -> Result<T, Fault> {
        self.map_err(|result| Fault { call, result })
    }
}
