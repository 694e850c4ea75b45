//! CUDA, by the driver's own interface. The library is opened at run time; each of its functions may be absent.

mod backend;
mod choice;
mod facts;
mod fault;
mod foreign;
mod gpu;
mod hashing;
mod memory;
mod module;
mod probe;
mod staging;
#[allow(
    unsafe_code,
    reason = "the driver is a C library: every call into it is unsafe, and all of them stand here"
)]
mod sys;

pub use backend::Cuda;
