//! How fast a device hashes its own memory, beside how fast it copies it: for benchmarks and for operators who choose
//! a duty cycle.

use crate::comparison::slice_tiles;
use crate::shard::Watch;
use crate::timing::as_f64;
use crate::{Code, Gpu, HashJob, Memory, VramError, sampling};
use digest::Tiling;

/// The fastest of so many is what the device can do.
const TRIES: u32 = 3;

/// What a device was measured to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Bytes that were hashed.
    pub bytes: u64,
    /// Bytes hashed a second, by the host's clock.
    pub hash_bytes_per_second: f64,
    /// The same by the device's own events, where it has them.
    pub device_hash_bytes_per_second: Option<f64>,
    /// Bytes read and written a second by a copy from one half of the memory to the other.
    pub copy_bytes_per_second: Option<f64>,
    /// Seconds that the driver took to compile and load the kernels.
    pub load_seconds: Option<f64>,
    /// Each kernel that could have been used, alone.
    pub kernels: Vec<KernelMeasured>,
}

/// What one of several kernels was measured to do.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelMeasured {
    /// Its name.
    pub name: &'static str,
    /// Bytes hashed a second, by the device's own events where it has them, else by the host's clock.
    pub bytes_per_second: f64,
}

/// Measures on memory that is made for it and freed after it.
pub(crate) fn measure(gpu: &dyn Gpu, bytes: u64, watch: Watch<'_>) -> Result<Measured, VramError> {
    let mut memory = gpu.allocate(bytes.max(1))?;
    let measured = on(&mut *memory, gpu, bytes.max(1), watch);
    let released = memory.release();
    let measured = measured?;
    released.map(|_| measured)
}

fn on(
    memory: &mut dyn Memory,
    gpu: &dyn Gpu,
    bytes: u64,
    watch: Watch<'_>,
) -> Result<Measured, VramError> {
    let kernels = kernels(memory, gpu, bytes, watch)?;
    let mut copy: Option<f64> = None;
    for _ in 0..TRIES {
        let seconds = memory.copy_half()?;
        copy = seconds.map(|seconds| seconds.min(copy.unwrap_or(f64::MAX)));
    }
    let (wall, device) = fastest(memory, gpu, bytes, watch)?;
    Ok(Measured {
        bytes,
        hash_bytes_per_second: rate(bytes, wall),
        device_hash_bytes_per_second: device.map(|seconds| rate(bytes, seconds)),
        // Half of the bytes are read, and as many written.
        copy_bytes_per_second: copy.map(|seconds| rate(bytes, seconds)),
        load_seconds: gpu.load_seconds(),
        kernels,
    })
}

/// Each kernel alone. Whatever happens, the faster one is used again afterwards.
fn kernels(
    memory: &mut dyn Memory,
    gpu: &dyn Gpu,
    bytes: u64,
    watch: Watch<'_>,
) -> Result<Vec<KernelMeasured>, VramError> {
    let mut one = |&name| {
        gpu.use_tile_kernel(Some(name));
        let (wall, device) = fastest(memory, gpu, bytes, watch)?;
        Ok(KernelMeasured {
            name,
            bytes_per_second: rate(bytes, device.unwrap_or(wall)),
        })
    };
    let measured = gpu.tile_kernels().iter().map(&mut one).collect();
    gpu.use_tile_kernel(None);
    measured
}

fn rate(bytes: u64, seconds: f64) -> f64 {
    as_f64(bytes) / seconds.max(f64::MIN_POSITIVE)
}

fn fastest(
    memory: &mut dyn Memory,
    gpu: &dyn Gpu,
    bytes: u64,
    watch: Watch<'_>,
) -> Result<(f64, Option<f64>), VramError> {
    let (mut wall, mut device) = (f64::MAX, Some(f64::MAX));
    for _ in 0..TRIES {
        let (wall_seconds, device_seconds) = hash(memory, gpu, bytes, watch)?;
        wall = wall.min(wall_seconds);
        device = device.zip(device_seconds).map(|(a, b)| a.min(b));
    }
    Ok((wall, device))
}

fn hash(
    memory: &mut dyn Memory,
    gpu: &dyn Gpu,
    bytes: u64,
    watch: Watch<'_>,
) -> Result<(f64, Option<f64>), VramError> {
    let tiling = Tiling::of(bytes);
    let (mut wall, mut device) = (0.0, Some(0.0));
    for (first, tiles) in sampling::all(tiling, slice_tiles(gpu.device())) {
        if watch.control.is_cancelled() {
            return Err(VramError::new(
                Code::Aborted,
                "the measurement was cancelled",
            ));
        }
        let job = HashJob {
            tiling,
            first,
            tiles,
            key: None,
        };
        let before = watch.clock.now();
        let run = memory.hash(&job)?;
        wall += watch.clock.now().saturating_sub(before).as_secs_f64();
        device = device.zip(run.device_seconds).map(|(a, b)| a + b);
    }
    Ok((wall, device))
}
