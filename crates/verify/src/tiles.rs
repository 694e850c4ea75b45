//! The second digest of a pass: BLAKE3 tile values, made beside the SHA-256 on a thread of their own.

use crate::Refusal;
use crate::block::Block;
use crate::pass::Consumer;
use digest::{Blake3Digest, TileValue, Tiling, TilingError};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

/// Values that room is made for before any byte was read: 8 GiB of file. More come as they are read,
/// for a file's size alone must not size an allocation.
const VALUES_RESERVED_MAX: u64 = 1 << 15;

/// The tile values of one file and the root that they make. Clones share the values.
#[derive(Clone)]
pub struct Tiles {
    tiling: Tiling,
    values: Arc<Vec<TileValue>>,
    root: Blake3Digest,
}

impl Tiles {
    /// The root is computed here, so that values and root always belong together.
    pub(crate) fn of(tiling: Tiling, values: Vec<TileValue>) -> Result<Self, TilingError> {
        Ok(Self {
            tiling,
            root: tiling.root(&values)?,
            values: Arc::new(values),
        })
    }

    /// How the file lies in tiles.
    pub fn tiling(&self) -> Tiling {
        self.tiling
    }

    /// One value a tile, in order.
    pub fn values(&self) -> &[TileValue] {
        &self.values
    }

    /// The file's BLAKE3 digest.
    pub fn root(&self) -> Blake3Digest {
        self.root
    }
}

/// Without the values: there may be a million.
impl std::fmt::Debug for Tiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tiles")
            .field("tiling", &self.tiling)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// Makes the values as the blocks pass. It keeps a block only until the block is hashed.
pub(crate) enum Tiler {
    /// On the pass's own thread: for a file of one block, or where no thread could be had.
    Here(Making),
    /// On another thread, which the ring's buffers hold back as they do the readers.
    There {
        blocks: Sender<Block>,
        making: JoinHandle<Making>,
    },
}

type Work = Box<dyn FnOnce() -> Making + Send>;

impl Tiler {
    /// For a file of so many bytes that comes in blocks of so many.
    pub(crate) fn start(bytes_total: u64, block_bytes: usize) -> Self {
        if bytes_total <= block_bytes as u64 {
            return Self::here(bytes_total);
        }
        Self::start_by(bytes_total, |work| {
            Builder::new().name("model-tiles".to_owned()).spawn(work)
        })
    }

    /// On the thread that shows the blocks, whatever the size.
    pub(crate) fn here(bytes_total: u64) -> Self {
        Self::Here(Making::of(bytes_total))
    }

    fn start_by(
        bytes_total: u64,
        spawn: impl FnOnce(Work) -> io::Result<JoinHandle<Making>>,
    ) -> Self {
        let (blocks, arriving) = channel();
        let work = Box::new(move || Making::of(bytes_total).take_all(&arriving));
        match spawn(work) {
            Ok(making) => Self::There { blocks, making },
            Err(_) => Self::Here(Making::of(bytes_total)),
        }
    }

    /// The values, once all blocks were taken. A panic of the other thread ends as a refusal.
    pub(crate) fn finish(self) -> Result<Tiles, Refusal> {
        let making = match self {
            Self::Here(making) => making,
            Self::There { blocks, making } => {
                drop(blocks);
                making.join().map_err(|_| Refusal::internal())?
            }
        };
        making.finish().map_err(|_| Refusal::internal())
    }
}

impl Consumer for Tiler {
    fn take(&mut self, block: &Block) {
        match self {
            Self::Here(making) => making.take(block.bytes()),
            // It can only fail when the thread has died, which `finish` tells.
            Self::There { blocks, .. } => drop(blocks.send(block.clone())),
        }
    }
}

/// Values so far, and the bytes of a tile that blocks of an odd size have cut.
pub(crate) struct Making {
    tiling: Tiling,
    values: Vec<TileValue>,
    cut: Vec<u8>,
}

impl Making {
    fn of(bytes_total: u64) -> Self {
        let tiling = Tiling::of(bytes_total);
        let room = tiling.tiles().min(VALUES_RESERVED_MAX);
        Self {
            tiling,
            values: Vec::with_capacity(usize::try_from(room).unwrap_or(0)),
            cut: Vec::new(),
        }
    }

    fn take_all(mut self, blocks: &Receiver<Block>) -> Self {
        for block in blocks {
            self.take(block.bytes());
        }
        self
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty()
            && let Some(missing) = self.missing()
        {
            let (now, rest) = bytes.split_at(missing.min(bytes.len()));
            let whole = now.len() == missing;
            if whole && self.cut.is_empty() {
                self.add(now);
            } else {
                self.cut.extend_from_slice(now);
            }
            if whole && !self.cut.is_empty() {
                let tile = std::mem::take(&mut self.cut);
                self.add(&tile);
            }
            bytes = rest;
        }
    }

    /// How many bytes the next tile still needs; nothing behind the last one.
    fn missing(&self) -> Option<usize> {
        let next = self.tiling.range(self.values.len() as u64)?;
        let length = usize::try_from(next.end - next.start).ok()?;
        length.checked_sub(self.cut.len())
    }

    /// A value that cannot be is left out, and `finish` finds too few.
    fn add(&mut self, tile: &[u8]) {
        let value = self.tiling.value(self.values.len() as u64, tile);
        self.values.extend(value);
    }

    fn finish(mut self) -> Result<Tiles, TilingError> {
        if self.tiling.bytes_total() == 0 {
            self.add(&[]);
        }
        self.values.shrink_to_fit();
        Tiles::of(self.tiling, self.values)
    }
}

#[cfg(test)]
mod tests;
