//! A CUDA driver, an NVML and a little of a CUDA runtime for tests, in one library that tests find under their names.
//!
//! It runs the very PTX that the product ships, thread by thread on the processor, with every access
//! checked against what was allocated and mapped. It keeps a clock of its own, by which a device of a
//! known speed would have worked, and it fails as its control file says (see [`faults`]).

#![allow(
    non_snake_case,
    reason = "exported functions bear the names that the real libraries export"
)]
#![allow(
    clippy::missing_safety_doc,
    clippy::not_unsafe_ptr_arg_deref,
    reason = "the contract of each exported function is the one that cuda.h or nvml.h gives it"
)]
#![allow(
    unreachable_pub,
    reason = "who calls an exported function is not in this crate"
)]
#![allow(
    clippy::indexing_slicing,
    reason = "registers, parameters and threads are numbered by the parser itself"
)]

mod cuda;
mod faults;
mod ledger;
mod memory;
mod nvml;
mod ptx;
mod report;
mod runtime;
mod state;
