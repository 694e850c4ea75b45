//! The pass: every byte once, in order, to everyone who wants it.

use crate::block::Block;
use crate::control::{Control, Wake};
use crate::reader::{self, Readers, Source};
use crate::ring::{Failure, Ring, Shape};
use std::sync::{Arc, Weak};

/// Someone who wants every block of a file, in order.
///
/// `take` is called on the pass's own thread, before the block is hashed there. A consumer with
/// work of its own keeps a clone of the block and does it elsewhere; the bytes stay put until it
/// drops the clone. A consumer that fails remembers it and tells its owner: the verdict on the
/// bytes does not depend on it.
pub trait Consumer {
    /// Takes the next block.
    fn take(&mut self, block: &Block);
}

/// How a file is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    pub(crate) block_bytes: usize,
    pub(crate) blocks_max: usize,
    pub(crate) readers: usize,
}

/// Blocks of 1 MiB: larger ones leave the cache before they are hashed, smaller ones cost more
/// calls. Eight of them keep the hash fed while a disk answers late.
pub(crate) const TUNING: Tuning = Tuning {
    block_bytes: 1 << 20,
    blocks_max: 8,
    readers: 2,
};

impl Tuning {
    /// For as many threads that read and check: each holds a block, and some wait in order.
    pub(crate) fn of_threads(threads: usize) -> Self {
        Self {
            blocks_max: threads + TUNING.blocks_max,
            readers: threads,
            ..TUNING
        }
    }

    pub(crate) fn shape(&self, bytes_total: u64) -> Shape {
        Shape {
            bytes_total,
            block_bytes: self.block_bytes,
            blocks_max: self.blocks_max,
        }
    }
}

/// Reads `bytes_total` bytes of `source`, each once. A file of one block is read right here.
pub(crate) fn read<S: Source>(
    source: &Arc<S>,
    bytes_total: u64,
    tuning: Tuning,
    control: &Control,
    consumers: &mut [&mut dyn Consumer],
) -> Result<(), Failure> {
    let ring = Ring::new(tuning.shape(bytes_total));
    control.start(bytes_total);
    if bytes_total <= tuning.block_bytes as u64 {
        reader::read_blocks(&ring, &**source);
        return drive(&ring, control, consumers);
    }
    source.advise_sequential();
    let readers = Readers::start(tuning.readers, &ring, source)?;
    drive(&ring, control, consumers)?;
    readers.join();
    Ok(())
}

/// Hands the ring's blocks to the consumers until the last one, a failure or a cancel.
pub(crate) fn drive(
    ring: &Arc<Ring>,
    control: &Control,
    consumers: &mut [&mut dyn Consumer],
) -> Result<(), Failure> {
    // Whatever ends this, a panic too, those who fill the ring are sent home.
    let _closing = Closing(ring);
    let sleeper: Weak<Ring> = Arc::downgrade(ring);
    control.listen(sleeper as Weak<dyn Wake>);
    while let Some(block) = ring.next(control)? {
        for consumer in consumers.iter_mut() {
            consumer.take(&block);
        }
        control.advance(block.bytes().len());
    }
    Ok(())
}

struct Closing<'ring>(&'ring Ring);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
