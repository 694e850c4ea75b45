//! The latency probe: how fast each page answers, and what fast and slow mean on this machine.

use super::gpu::Opened;
use super::hashing::Worker;
use super::sys::{HostMemory, LaunchShape};
use crate::{PageCycles, VramError};
use std::sync::Arc;

/// The device's large pages.
const PAGE_BYTES_LOG2: u32 = 21;

/// Pages of ranges that are smaller than one large page.
const SMALL_PAGE_BYTES_LOG2: u32 = 12;

/// Loads a page: the fewest cycles of so many are not another client's doing.
const LOADS: u32 = 8;

const THREADS: u32 = 32;

/// The scale is measured on so many bytes of each kind of memory.
const SCALE_BYTES: usize = 4 << 20;
const SCALE_PAGE_BYTES_LOG2: u32 = 16;

/// Every whole page of the range, which is read and nothing else. An address that four does not
/// divide, or less than a small page, has none.
pub(super) fn pages(
    worker: &mut Worker,
    address: u64,
    bytes: u64,
    seed: u32,
) -> Result<PageCycles, VramError> {
    let log2 = if bytes >> PAGE_BYTES_LOG2 > 0 {
        PAGE_BYTES_LOG2
    } else {
        SMALL_PAGE_BYTES_LOG2
    };
    let pages = if address.is_multiple_of(4) {
        bytes >> log2
    } else {
        0
    };
    measure(worker, address, pages, log2, seed)
}

fn measure(
    worker: &mut Worker,
    address: u64,
    pages: u64,
    log2: u32,
    seed: u32,
) -> Result<PageCycles, VramError> {
    let mut cycles = Vec::new();
    let mut device_seconds = None;
    if pages > 0 {
        let results = worker.room(pages * 4)?;
        let shape = LaunchShape {
            blocks: u32::try_from(pages.div_ceil(THREADS.into())).unwrap_or(u32::MAX),
            threads: THREADS,
        };
        device_seconds = worker.timed(|worker| {
            let Opened {
                driver, kernels, ..
            } = &*worker.opened;
            let arguments = (address, pages, log2, seed, LOADS, results);
            Ok(driver.launch_latency(kernels.latency, shape, arguments, worker.stream)?)
        })?;
        cycles = copy(worker, results, pages)?;
    }
    Ok(PageCycles {
        page_bytes: 1 << log2,
        cycles,
        device_seconds,
    })
}

fn copy(worker: &Worker, results: u64, pages: u64) -> Result<Vec<u32>, VramError> {
    let mut raw = vec![0; usize::try_from(pages * 4).unwrap_or(0)];
    worker.opened.driver.copy_out(&mut raw, results)?;
    let (cycles, _) = raw.as_chunks::<4>();
    Ok(cycles
        .iter()
        .map(|&four| u32::from_le_bytes(four))
        .collect())
}

/// What the device's own memory and the host's take, in cycles: the medians of both.
pub(super) fn scale(opened: &Arc<Opened>) -> Result<(u32, u32), VramError> {
    let _entered = opened.enter()?;
    let mut worker = Worker::new(opened.clone())?;
    let local = local(&mut worker)?;
    let host: HostMemory = opened.driver.host_memory(SCALE_BYTES)?;
    let host = timed_scale(&mut worker, host.device_address()?)?;
    Ok((local, host))
}

fn local(worker: &mut Worker) -> Result<u32, VramError> {
    let driver = worker.opened.driver;
    let address = driver.allocate(SCALE_BYTES as u64)?;
    let cycles = timed_scale(worker, address);
    driver.free(address)?;
    cycles
}

fn timed_scale(worker: &mut Worker, address: u64) -> Result<u32, VramError> {
    let pages = (SCALE_BYTES as u64) >> SCALE_PAGE_BYTES_LOG2;
    let mut cycles = measure(worker, address, pages, SCALE_PAGE_BYTES_LOG2, 1)?.cycles;
    cycles.sort_unstable();
    Ok(cycles.get(cycles.len() / 2).copied().unwrap_or(0))
}
