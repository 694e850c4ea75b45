//! Models sealed in GPU memory, and evidence that they are there, whole and unchanged.
//!
//! A [`Backend`] finds [`Device`]s and opens one as a [`Gpu`]; a [`Gpu`] gives [`Memory`]. Above these
//! three traits nothing knows CUDA or Vulkan: a [`Vault`] seals verified files and hands out
//! [`Handle`]s, and every check of a sealed model returns [`Evidence`], never a bare boolean.
//!
//! # What it does not prove
//! Prover and verifier share one process. The evidence holds against faults, drivers, eviction, other
//! tenants and stray writes, not against code that runs in this process.

#![deny(unsafe_code)]
#![allow(
    clippy::result_large_err,
    reason = "an error is built once a call and is what the caller came for; a box would only hide its fields"
)]

mod backend;
mod book;
mod boot;
mod check;
mod clock;
mod code;
mod comparison;
mod cuda;
mod device;
pub mod drm;
mod error;
mod eviction;
mod evidence;
mod foreign;
mod freshness;
mod handle;
mod interface;
mod keying;
mod latency;
mod library;
mod measuring;
mod model;
mod nvml;
mod once;
mod policy;
mod record;
mod sampling;
mod scrub;
mod sealing;
mod self_test;
mod set;
mod shard;
mod shard_scrub;
mod slots;
mod spot;
mod tensor_digests;
mod tensors;
mod timing;
mod together;
mod vault;
mod verdict;
mod vulkan;

pub use backend::{
    Backend, Gpu, HashJob, HashRun, KernelFacts, Memory, PageCycles, RootJob, Usage,
};
pub use book::{Book, BookEntry};
pub use clock::{Clock, Monotonic};
pub use code::Code;
pub use cuda::Cuda;
pub use device::{
    Addressing, BackendKind, Device, DeviceKind, DeviceMemory, DeviceUuid, DriverModel, Link,
    NotVram, PciAddress,
};
use error::file_error;
pub use error::{DriverFault, VramError};
pub use evidence::{
    Access, Accounting, BadTile, Content, Evidence, Latency, Level, MemoryType, Placement, Timing,
    Verdict,
};
pub use foreign::{ForeignEvidence, ForeignRange, RangeEvidence};
pub use freshness::{FreshMac, Freshness, FreshnessMethod, response_of};
pub use handle::Handle;
pub use measuring::{KernelMeasured, Measured};
pub use once::Once;
pub use policy::Policy;
pub use record::{SEAL_RECORD_VERSION, SealKey, SealRecord, SealedRange};
pub use scrub::{Scrub, ScrubStep};
pub use sealing::Feeder;
pub use set::{SealedSet, SetSealing};
pub use tensor_digests::{TensorDigest, TensorDigests};
pub use vault::{Found, Holdings, Sealed, Sealing, Vault};
pub use vulkan::Vulkan;
