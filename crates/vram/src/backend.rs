//! What CUDA and Vulkan have in common: devices, an opened device, memory on it.
//!
//! Implementations answer in errors, never in panics, and take no verdict: they hash, measure and
//! report. They are used from several threads, one call at a time for each piece of memory.

use crate::{Access, Accounting, BackendKind, Code, Device, DeviceUuid, Placement, VramError};
use digest::{Blake3Digest, TileValue, Tiling};
use std::sync::Arc;

/// One interface to devices, opened at run time.
pub trait Backend: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> BackendKind;

    /// The devices that it sees now, those that are no VRAM included.
    ///
    /// # Errors
    /// `VRAM_NO_DRIVER` and `VRAM_DRIVER_TOO_OLD` where there is no use in asking.
    fn devices(&self) -> Result<Vec<Device>, VramError>;

    /// Opens a device: loads the kernels and tests them with fresh random data.
    ///
    /// # Errors
    /// `VRAM_NO_DEVICE`, `VRAM_SELF_TEST_FAILED`, or what the driver says.
    fn open(&self, device: DeviceUuid) -> Result<Arc<dyn Gpu>, VramError>;
}

/// An opened device whose kernels passed their test.
pub trait Gpu: Send + Sync {
    /// What it is; its free memory as it was when it was opened.
    fn device(&self) -> &Device;

    /// The kernels that it runs.
    fn kernel(&self) -> &KernelFacts;

    /// Seconds that the driver took to compile and load the kernels, where it was measured.
    fn load_seconds(&self) -> Option<f64> {
        None
    }

    /// The kernels that hash tiles, of which the faster one is used; nothing where there is one alone.
    fn tile_kernels(&self) -> &'static [&'static str] {
        &[]
    }

    /// From now on tiles are hashed by this one of [`Gpu::tile_kernels`]; with nothing, by the faster one.
    fn use_tile_kernel(&self, kernel: Option<&str>) {
        let _ = kernel;
    }

    /// The driver's counters, now.
    fn usage(&self) -> Result<Usage, VramError>;

    /// Memory for so many bytes (at least 1), in the device's own memory and nowhere else.
    ///
    /// # Errors
    /// `VRAM_ALLOCATION_FAILED`; never a fallback to other memory.
    fn allocate(&self, bytes: u64) -> Result<Box<dyn Memory>, VramError>;

    /// What memory that surely is local, and what memory that surely is the host's, takes to answer:
    /// the two ends of the latency scale. Nothing where pages cannot be timed.
    fn latency_scale(&self) -> Result<Option<(u32, u32)>, VramError>;

    /// Somebody else's memory of this process, to be read and nothing else.
    ///
    /// # Safety of the caller
    /// None is needed: the driver is asked first whether the range is an allocation of this device.
    ///
    /// # Errors
    /// `VRAM_BAD_RANGE` where it is none, or where this backend cannot read other people's memory.
    fn foreign(&self, pointer: u64, bytes: u64) -> Result<Box<dyn Memory>, VramError> {
        let _ = (pointer, bytes);
        let message = "this backend cannot read memory that another library allocated";
        Err(VramError::new(Code::BadRange, message))
    }
}

/// A piece of memory on a device. Dropped, it is cleared and freed as by [`Memory::release`], and a
/// failure of that is lost: so release it.
pub trait Memory: Send {
    /// Bytes that were asked for.
    fn bytes(&self) -> u64;

    /// Where kernels of this process find the bytes, as a device address; nothing where there is no such thing.
    fn pointer(&self) -> Option<u64> {
        None
    }

    /// Puts `data` at `offset`, in bytes. Returns once `data` may change, perhaps long before it has
    /// arrived; blocks while all staging buffers are on their way.
    fn upload(&mut self, offset: u64, data: &[u8]) -> Result<(), VramError>;

    /// Waits until all uploads have arrived.
    fn flush(&mut self) -> Result<(), VramError>;

    /// Makes the device's mapping read-only, where it can: returns what it now is.
    fn protect(&mut self) -> Result<Access, VramError>;

    /// Computes tile values on the device. Blocks until they are there.
    fn hash(&mut self, job: &HashJob) -> Result<HashRun, VramError>;

    /// The digest of the job's message, which starts at byte 0. Overridden where the device can compute the upper
    /// levels too.
    fn root(&mut self, job: &RootJob<'_>) -> Result<Blake3Digest, VramError> {
        root_by_slices(self, job)
    }

    /// What the driver says of this memory now.
    fn placement(&self) -> Result<Placement, VramError>;

    /// Measures every page. `seed` chooses where in the pages. Nothing where pages cannot be timed.
    fn latency(&mut self, seed: u32) -> Result<Option<PageCycles>, VramError>;

    /// Copies the first half of the memory over the second, before anything lies there that counts: how
    /// many seconds the device took. Nothing where it cannot be measured.
    fn copy_half(&mut self) -> Result<Option<f64>, VramError> {
        Ok(None)
    }

    /// Clears the bytes and gives the memory back: returns how many bytes became free. Foreign
    /// memory stays as it is.
    fn release(self: Box<Self>) -> Result<u64, VramError>;
}

/// The digest of a message whose tiles the device hashes and whose upper levels are computed here.
pub(crate) fn root_by_slices<M: Memory + ?Sized>(
    memory: &mut M,
    job: &RootJob<'_>,
) -> Result<Blake3Digest, VramError> {
    let mut values = Vec::new();
    for slice in job.slices() {
        values.extend(memory.hash(&slice?)?.values);
    }
    let root = match &job.key {
        Some(key) => job.tiling.keyed_root(&values, key),
        None => job.tiling.root(&values),
    };
    root.map_err(|error| VramError::new(Code::Internal, error.to_string()))
}

/// A whole message whose digest is wanted.
#[derive(Clone, Copy)]
pub struct RootJob<'a> {
    /// How the bytes lie in tiles.
    pub tiling: Tiling,
    /// The key of BLAKE3's keyed mode.
    pub key: Option<[u8; 32]>,
    /// At most so many tiles are hashed at once.
    pub slice: u64,
    /// Asked before each slice: an error ends the job with it.
    pub going: &'a dyn Fn() -> Result<(), VramError>,
}

impl RootJob<'_> {
    /// One that nothing ends.
    pub fn of(tiling: Tiling, key: Option<[u8; 32]>, slice: u64) -> Self {
        Self {
            tiling,
            key,
            slice,
            going: &|| Ok(()),
        }
    }

    pub(crate) fn slices(&self) -> impl Iterator<Item = Result<HashJob, VramError>> {
        let jobs = HashJob::slices(self.tiling, self.key, self.slice);
        jobs.map(|job| (self.going)().map(|()| job))
    }
}

/// A run of tiles to be hashed. Tile `first` starts at byte `first * 256 KiB` of the memory.
#[derive(Clone, Debug)]
pub struct HashJob {
    /// How the bytes lie in tiles: says how long the last one is, and that an only one is the root.
    pub tiling: Tiling,
    /// The first tile's number.
    pub first: u64,
    /// How many tiles; callers keep it below what a display's watchdog allows.
    pub tiles: u64,
    /// The key of BLAKE3's keyed mode.
    pub key: Option<[u8; 32]>,
}

impl HashJob {
    /// All tiles in order, at most `slice` of them, and at least one, in each job.
    pub(crate) fn slices(
        tiling: Tiling,
        key: Option<[u8; 32]>,
        slice: u64,
    ) -> impl Iterator<Item = Self> {
        let (all, slice) = (tiling.tiles(), slice.max(1));
        let step = usize::try_from(slice).unwrap_or(usize::MAX);
        (0..all).step_by(step).map(move |first| Self {
            tiling,
            first,
            tiles: slice.min(all - first),
            key,
        })
    }
}

/// What a device computed.
#[derive(Clone, Debug)]
pub struct HashRun {
    /// One value a tile, in order.
    pub values: Vec<TileValue>,
    /// Seconds by the device's own events, where it has them.
    pub device_seconds: Option<f64>,
}

/// The fewest clock cycles that one load took, page by page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageCycles {
    /// Bytes of a page.
    pub page_bytes: u64,
    /// One number a page, in order.
    pub cycles: Vec<u32>,
    /// Seconds that the device took, where it tells.
    pub device_seconds: Option<f64>,
}

/// The driver's counters for a device.
pub type Usage = Accounting;

/// Which kernels a device runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFacts {
    /// What they are, such as `ptx-6.0-sm_52` or `spir-v-1.3`.
    pub name: &'static str,
    /// BLAKE3 of the text or code that the driver was given.
    pub blake3: digest::Blake3Digest,
    /// The library that the driver's functions come from, as the system names it.
    pub driver_library: String,
}
