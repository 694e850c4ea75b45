//! One of several files that are read abreast: how far it is, and what is made of its bytes.

use crate::block::Block;
use crate::control::Control;
use crate::guard::Sealing;
use crate::judge::{Hashed, unchanged};
use crate::load::look_again;
use crate::pass::Consumer;
use crate::reader::Source;
use crate::ring::{Failure, Ring, Shape};
use crate::tiles::Tiler;
use crate::{FileFacts, Refusal, Tiles};
use digest::{Sha256Digest, Sha256Stream};
use gguf::{Policy, Scanner};
use std::sync::Arc;

/// A file that is to be read.
pub(crate) struct Entry<S> {
    pub(crate) source: Arc<S>,
    pub(crate) facts: FileFacts,
    pub(crate) expected: Option<Sha256Digest>,
    pub(crate) policy: Policy,
    /// Make tile values too, on the same core.
    pub(crate) tiles: bool,
    /// The copy in memory that is to be filled on the way.
    pub(crate) sealing: Option<Sealing>,
    /// Whoever else wants the blocks.
    pub(crate) consumer: Option<PartConsumer>,
}

/// Takes the blocks of one of several files, in order, on whichever thread has read them.
pub type PartConsumer = Box<dyn Consumer + Send>;

impl<S> Entry<S> {
    /// Blocks that the file may have in memory: those who copy it keep some. What a consumer holds for itself is not
    /// known here, so few files with one are open at once.
    pub(crate) fn blocks_max(&self) -> usize {
        match (&self.consumer, &self.sealing) {
            (Some(_), _) => 8,
            (None, Some(_)) => 3,
            (None, None) => 1,
        }
    }
}

/// What was made of a file that was read to its end and has the promised digest.
pub(crate) struct Outcome {
    /// Its format is not judged yet.
    pub(crate) hashed: Hashed,
    pub(crate) tiles: Option<Tiles>,
    pub(crate) sealing: Option<Sealing>,
}

/// A file that is being read.
pub(crate) struct Lane<S> {
    pub(crate) index: usize,
    pub(crate) stream: Sha256Stream,
    source: Arc<S>,
    facts: FileFacts,
    expected: Option<Sha256Digest>,
    bytes_read: u64,
    ring: Arc<Ring>,
    scanner: Scanner,
    tiler: Option<Tiler>,
    sealing: Option<Sealing>,
    consumer: Option<PartConsumer>,
    failure: Option<Failure>,
}

impl<S: Source> Lane<S> {
    pub(crate) fn start(index: usize, entry: Entry<S>, block_bytes: usize) -> Self {
        entry.source.advise_sequential();
        let size = entry.facts.size;
        Self {
            index,
            stream: Sha256Stream::new(),
            ring: Ring::new(Shape {
                bytes_total: size,
                block_bytes,
                blocks_max: entry.blocks_max(),
            }),
            scanner: Scanner::new(size, entry.policy),
            tiler: entry.tiles.then(|| Tiler::here(size)),
            source: entry.source,
            facts: entry.facts,
            expected: entry.expected,
            bytes_read: 0,
            sealing: entry.sealing,
            consumer: entry.consumer,
            failure: None,
        }
    }

    /// The next block, read by this thread; none at the end, or where reading failed.
    pub(crate) fn read(&mut self, control: &Control) -> Option<Block> {
        if let Some(mut claim) = self.ring.claim() {
            let offset = claim.offset;
            match self.source.fill(claim.space(), offset) {
                Ok(()) => self.ring.publish(claim),
                Err(failure) => self.ring.fail(&claim, failure),
            }
        }
        let block = self.ring.next(control);
        let block = block.unwrap_or_else(|failure| {
            self.failure = Some(failure);
            None
        });
        self.bytes_read += block.as_ref().map_or(0, |it| it.bytes().len() as u64);
        block
    }

    /// Shows the block to everyone but the digest.
    pub(crate) fn show(&mut self, block: &Block) {
        self.scanner.feed(block.bytes());
        if let Some(tiler) = &mut self.tiler {
            tiler.take(block);
        }
        if let Some(sealing) = &mut self.sealing {
            sealing.take(block);
        }
        if let Some(consumer) = &mut self.consumer {
            consumer.take(block);
        }
    }

    pub(crate) fn bytes_left(&self) -> u64 {
        self.facts.size.saturating_sub(self.bytes_read)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.failure.is_some() || self.bytes_left() == 0
    }

    /// Judges reading and digest, in this order.
    pub(crate) fn end(self) -> Result<Outcome, Refusal> {
        let facts = self.facts;
        self.judged().map_err(|refusal| refusal.with_facts(facts))
    }

    fn judged(self) -> Result<Outcome, Refusal> {
        if let Some(failure) = self.failure {
            return Err(failure.into());
        }
        let sha256 = self.stream.finalize();
        let changed = |refusal: Refusal| refusal.with_sha256(sha256);
        unchanged(&self.facts, &look_again(&*self.source)?).map_err(changed)?;
        let hashed = Hashed::of(sha256, self.scanner, self.expected);
        hashed.judge_digest()?;
        Ok(Outcome {
            hashed,
            tiles: self.tiler.map(Tiler::finish).transpose()?,
            sealing: self.sealing,
        })
    }
}
