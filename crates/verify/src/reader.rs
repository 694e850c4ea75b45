//! Those who fill the ring from a file: threads of our own, each reading whole blocks.

use crate::ring::{Failure, Ring};
use crate::{FileFacts, platform};
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// What is read: a file, and in tests also one that is slow or broken.
pub(crate) trait Source: Send + Sync + 'static {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    fn facts(&self) -> Result<FileFacts, platform::Fault>;
    fn advise_sequential(&self) {}

    /// Fills one block, which begins at `offset`.
    fn fill(&self, space: &mut [u8], offset: u64) -> Result<(), Failure> {
        read_exact_at(self, space, offset)
    }
}

impl Source for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        platform::read_at(self, buffer, offset)
    }

    fn facts(&self) -> Result<FileFacts, platform::Fault> {
        Ok(platform::facts(&platform::metadata(self)?))
    }

    fn advise_sequential(&self) {
        platform::advise_sequential(self);
    }
}

/// Threads that read. Dropping this leaves them alone: one that hangs in a read that the disk does
/// not answer must not hold up a cancelled load. It ends when the disk answers.
pub(crate) struct Readers(Vec<JoinHandle<()>>);

impl Readers {
    /// Starts up to `count` threads; fewer only read slower, none is a failure.
    pub(crate) fn start<S: Source>(
        count: usize,
        ring: &Arc<Ring>,
        source: &Arc<S>,
    ) -> Result<Self, Failure> {
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            match spawn(number, ring, source) {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => {
                    let errno = error.raw_os_error();
                    return Err(Failure::Start { errno });
                }
                Err(_) => break,
            }
        }
        Ok(Self(threads))
    }

    /// Waits for the threads after the last block was taken, when none has anything left to do,
    /// so that no thread still holds the file when its owner drops it.
    pub(crate) fn join(self) {
        for thread in self.0 {
            // A panic was caught in the thread and has already ended the ring.
            let _: std::thread::Result<()> = thread.join();
        }
    }
}

fn spawn<S: Source>(
    number: usize,
    ring: &Arc<Ring>,
    source: &Arc<S>,
) -> io::Result<JoinHandle<()>> {
    let (ring, source) = (Arc::clone(ring), Arc::clone(source));
    let name = format!("model-read-{number}");
    Builder::new().name(name).spawn(move || {
        let reading = AssertUnwindSafe(|| read_blocks(&ring, &*source));
        if catch_unwind(reading).is_err() {
            ring.end(Failure::Panicked);
        }
    })
}

/// Fills blocks until none is left or nobody wants them.
pub(crate) fn read_blocks<S: Source>(ring: &Ring, source: &S) {
    while let Some(mut claim) = ring.claim() {
        let offset = claim.offset;
        match source.fill(claim.space(), offset) {
            Ok(()) => ring.publish(claim),
            Err(failure) => return ring.fail(&claim, failure),
        }
    }
}

/// Fills `space` from `offset` on; an end before that is an end too early.
pub(crate) fn read_exact_at<S: Source + ?Sized>(
    source: &S,
    mut space: &mut [u8],
    mut offset: u64,
) -> Result<(), Failure> {
    while !space.is_empty() {
        match source.read_at(space, offset) {
            Ok(0) => return Err(Failure::Short { offset }),
            Ok(count) => {
                space = space.get_mut(count..).unwrap_or_default();
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let errno = error.raw_os_error();
                return Err(Failure::Read { offset, errno });
            }
        }
    }
    Ok(())
}
