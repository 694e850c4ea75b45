//! The driver's functions, raw and wrapped: the only unsafe code of this backend.
//!
//! A wrapper takes plain values and gives a value or a [`Fault`]. Addresses of device memory are
//! numbers here: only the device follows them, and it faults on its own side.

mod context;
mod device;
mod memory;
mod run;
mod table;

pub(super) use context::{Context, Entered};
pub(super) use device::Attribute;
pub(super) use memory::{HostMemory, PROTECTION_READ, PROTECTION_READ_WRITE, PointerFacts};
pub(super) use run::{Event, Function, Hashing, LaunchShape, Module, Stream};
pub(super) use table::{Driver, Fault, Status};
