//! Vulkan, for devices of every maker. The loader is opened at run time; it, or any of its functions, may be absent.
//!
//! What Vulkan cannot do, this backend does not claim: a mapping cannot be made read-only for the
//! device, single pages cannot be timed, and no driver says where memory really lies. Its evidence is
//! the memory's type, the driver's budget, the digest and its time.

mod backend;
mod choice;
mod facts;
mod fault;
#[cfg(test)]
mod fixtures;
mod gpu;
mod hashing;
mod memory;
mod shaders;
mod staging;
#[allow(
    unsafe_code,
    reason = "the driver is a C library: every call into it is unsafe, and all of them stand here"
)]
mod sys;

pub use backend::Vulkan;
