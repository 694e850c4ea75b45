//! Hashing on the device: a queue, two marks for its time, and room for the values.

use super::choice::Adding;
use super::gpu::Opened;
use super::sys::{Event, Hashing, LaunchShape, Stream};
use crate::{Code, HashJob, HashRun, RootJob, VramError, keying};
use digest::{Blake3Digest, TILE_BYTES, TileValue};
use std::sync::Arc;

const TILE_THREADS: u32 = 256;
const PARENT_THREADS: u32 = 128;
const VALUE_BYTES: u64 = 32;
const TILE_CHUNKS: u64 = 256;

/// A queue on the device and what goes with it. Ended when it is dropped.
pub(super) struct Worker {
    pub(super) opened: Arc<Opened>,
    pub(super) stream: Stream,
    marks: [Event; 2],
    scratch: Option<Scratch>,
}

/// Plain device memory for results.
#[derive(Clone, Copy)]
struct Scratch {
    address: u64,
    bytes: u64,
}

impl Worker {
    /// To be called in the device's context, as everything here.
    pub(super) fn new(opened: Arc<Opened>) -> Result<Self, VramError> {
        let driver = opened.driver;
        let stream = driver.new_stream()?;
        let mark = || driver.new_event();
        let marks = mark().and_then(|first| {
            let second = mark().inspect_err(|_| drop(driver.end_event(first)))?;
            Ok([first, second])
        });
        let marks = marks.inspect_err(|_| drop(driver.end_stream(stream)))?;
        Ok(Self {
            opened,
            stream,
            marks,
            scratch: None,
        })
    }

    /// Room for results, at least so many bytes. What lay there before is lost.
    pub(super) fn room(&mut self, bytes: u64) -> Result<u64, VramError> {
        if let Some(Scratch {
            address,
            bytes: has,
        }) = self.scratch
            && has >= bytes
        {
            return Ok(address);
        }
        let driver = self.opened.driver;
        let bytes = bytes.next_power_of_two();
        // The old room stays where there is no larger one.
        let address = driver.allocate(bytes)?;
        let old = self.scratch.replace(Scratch { address, bytes });
        if let Some(old) = old {
            driver.free(old.address)?;
        }
        Ok(address)
    }

    /// Has `launch` queue work, waits for it, and says how long the device took.
    pub(super) fn timed(
        &self,
        launch: impl FnOnce(&Self) -> Result<(), VramError>,
    ) -> Result<Option<f64>, VramError> {
        let (driver, [before, after]) = (self.opened.driver, self.marks);
        driver.record(before, self.stream)?;
        launch(self)?;
        driver.record(after, self.stream)?;
        driver.wait_for_stream(self.stream)?;
        Ok(driver.seconds_between(before, after).ok())
    }

    /// The values of the job's tiles; the message starts at `address`.
    pub(super) fn hash(&mut self, address: u64, job: &HashJob) -> Result<HashRun, VramError> {
        let values = self.room(job.tiles.saturating_mul(VALUE_BYTES))?;
        let device_seconds = self.timed_tiles(address, job, values)?;
        Ok(HashRun {
            values: self.copy_values(values, job.tiles)?,
            device_seconds,
        })
    }

    /// The digest of the whole message, all of whose levels are computed on the device.
    pub(super) fn root(
        &mut self,
        address: u64,
        job: &RootJob<'_>,
    ) -> Result<Blake3Digest, VramError> {
        let tiles = job.tiling.tiles();
        let values = self.room(tiles.saturating_mul(2 * VALUE_BYTES))?;
        let above = values + tiles * VALUE_BYTES;
        for slice in job.slices() {
            let slice = slice?;
            self.timed_tiles(address, &slice, values + slice.first * VALUE_BYTES)?;
        }
        let place = self.fold(values, above, tiles, job.key)?;
        let root = self.copy_values(place, 1)?;
        let root = root.first().ok_or_else(too_few)?;
        Ok((*root.as_bytes()).into())
    }

    /// Level by level, from one half of the room to the other and back: where the root ends up.
    fn fold(
        &self,
        values: u64,
        above: u64,
        mut count: u64,
        key: Option<[u8; 32]>,
    ) -> Result<u64, VramError> {
        let (mut from, mut to) = (values, above);
        let hashing = hashing(key, 0, true);
        while count > 1 {
            let next = count.div_ceil(2);
            let shape = LaunchShape {
                blocks: u32::try_from(next.div_ceil(PARENT_THREADS.into())).unwrap_or(u32::MAX),
                threads: PARENT_THREADS,
            };
            let arguments = (from, count, hashing, to);
            let Opened {
                driver, kernels, ..
            } = &*self.opened;
            driver.launch_parents(kernels.parents, shape, arguments, self.stream)?;
            (from, to) = (to, from);
            count = next;
        }
        self.opened.driver.wait_for_stream(self.stream)?;
        Ok(from)
    }

    fn timed_tiles(
        &self,
        address: u64,
        job: &HashJob,
        values: u64,
    ) -> Result<Option<f64>, VramError> {
        let choice = &self.opened.choice;
        let adding = choice.next(job.tiles);
        let seconds = self.timed(|worker| worker.launch_tiles(address, job, values, adding))?;
        choice.note(adding, job.tiles, seconds);
        Ok(seconds)
    }

    fn launch_tiles(
        &self,
        address: u64,
        job: &HashJob,
        values: u64,
        adding: Adding,
    ) -> Result<(), VramError> {
        let start = job.first * TILE_BYTES;
        let last = job.first.saturating_add(job.tiles).saturating_sub(1);
        let end = job.tiling.range(last).map(|range| range.end);
        let bytes = end.and_then(|end| end.checked_sub(start)).unwrap_or(0);
        if bytes == 0 {
            let message = "a run of tiles outside of the memory was to be hashed";
            return Err(VramError::new(Code::Internal, message));
        }
        let alone = job.tiling.tiles() == 1;
        let hashing = hashing(job.key, job.first * TILE_CHUNKS, alone);
        let shape = LaunchShape {
            blocks: u32::try_from(job.tiles)
                .unwrap_or(u32::MAX)
                .min(self.opened.blocks_max),
            threads: TILE_THREADS,
        };
        let Opened {
            driver, kernels, ..
        } = &*self.opened;
        let arguments = (address + start, bytes, hashing, values);
        let kernel = match adding {
            Adding::Plain => kernels.tiles,
            Adding::ByMultiplying => kernels.tiles_by_multiplying,
        };
        Ok(driver.launch_tiles(kernel, shape, arguments, self.stream)?)
    }

    fn copy_values(&self, address: u64, count: u64) -> Result<Vec<TileValue>, VramError> {
        let bytes = usize::try_from(count * VALUE_BYTES).map_err(|_| too_few())?;
        let mut raw = vec![0; bytes];
        self.opened.driver.copy_out(&mut raw, address)?;
        let (values, _) = raw.as_chunks::<32>();
        Ok(values.iter().map(|&value| value.into()).collect())
    }

    fn end(&self) -> Result<(), VramError> {
        let _entered = self.opened.enter()?;
        let driver = self.opened.driver;
        if let Some(scratch) = self.scratch {
            driver.free(scratch.address)?;
        }
        self.marks
            .iter()
            .try_for_each(|&mark| driver.end_event(mark))?;
        Ok(driver.end_stream(self.stream)?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A dead context has freed all of it already.
        drop(self.end());
    }
}

fn hashing(key: Option<[u8; 32]>, first_chunk: u64, may_be_root: bool) -> Hashing {
    Hashing {
        key: keying::state(key.as_ref()),
        first_chunk,
        flags: keying::flags(key.as_ref()),
        root: if may_be_root { keying::ROOT } else { 0 },
        one: 1,
    }
}

fn too_few() -> VramError {
    VramError::new(Code::Internal, "the device gave fewer values than tiles")
}
