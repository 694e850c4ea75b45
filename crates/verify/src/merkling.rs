//! The third digest of a pass, where it is wanted: the one that fs-verity will measure.

use crate::Refusal;
use crate::block::Block;
use crate::pass::Consumer;
use digest::{FsVerity, Sha256Digest};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

/// Takes the blocks as they pass. It keeps a block only until the block is hashed.
pub(crate) enum Merkling {
    /// On the pass's own thread, where no other could be had.
    Here(FsVerity),
    There {
        blocks: Sender<Block>,
        making: JoinHandle<FsVerity>,
    },
}

impl Merkling {
    pub(crate) fn start() -> Self {
        let (blocks, arriving) = channel();
        let thread = Builder::new().name("model-verity".to_owned());
        match thread.spawn(move || take_all(&arriving)) {
            Ok(making) => Self::There { blocks, making },
            Err(_) => Self::Here(FsVerity::new()),
        }
    }

    /// The digest, once all blocks were taken. A panic of the other thread ends as a refusal.
    pub(crate) fn finish(self) -> Result<Sha256Digest, Refusal> {
        let made = match self {
            Self::Here(made) => made,
            Self::There { blocks, making } => {
                drop(blocks);
                making.join().map_err(|_| Refusal::internal())?
            }
        };
        Ok(made.finalize())
    }
}

impl Consumer for Merkling {
    fn take(&mut self, block: &Block) {
        match self {
            Self::Here(made) => made.update(block.bytes()),
            // It can only fail when the thread has died, which `finish` tells.
            Self::There { blocks, .. } => drop(blocks.send(block.clone())),
        }
    }
}

fn take_all(blocks: &Receiver<Block>) -> FsVerity {
    let mut made = FsVerity::new();
    for block in blocks {
        made.update(block.bytes());
    }
    made
}
