//! A sealed copy: the blocks that are hashed are written to memory that nobody can change again.

use crate::block::Block;
use crate::pass::Consumer;
use crate::platform;
use std::fs::File;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

/// Left for everything else on the machine: a copy that takes the last page kills processes.
const MEMORY_SPARED_BYTES: u64 = 256 << 20;

/// Writes the blocks on a thread of its own as they pass.
pub(crate) struct Sealing {
    blocks: Sender<Block>,
    writing: JoinHandle<Result<File, i32>>,
}

impl Sealing {
    /// For a file of so many bytes, or why memory cannot hold it and what is copied with it: `needed` bytes in all.
    pub(crate) fn start(size: u64, needed: u64) -> Result<Self, String> {
        let room = platform::memory_room().map_err(|errno| failed("looking for room", errno))?;
        if needed.saturating_add(MEMORY_SPARED_BYTES) > room {
            return Err(format!(
                "a sealed copy needs {needed} bytes of memory, and of the {room} that are free \
                 {MEMORY_SPARED_BYTES} are left to others"
            ));
        }
        let memory = platform::sealable(size).map_err(|errno| failed("making it", errno))?;
        let (blocks, arriving) = channel();
        let writing = Builder::new()
            .name("model-seal".to_owned())
            .spawn(move || write(memory, &arriving))
            .map_err(|error| format!("no thread to make a sealed copy with: {error}"))?;
        Ok(Self { blocks, writing })
    }

    /// The sealed memory, opened for reading only.
    pub(crate) fn finish(self) -> Result<File, String> {
        drop(self.blocks);
        let written = self.writing.join();
        let memory = written
            .map_err(|_| "the thread that made a sealed copy died".to_owned())?
            .map_err(|errno| failed("filling it", errno))?;
        platform::seal(memory).map_err(|errno| failed("sealing it", errno))
    }
}

impl Consumer for Sealing {
    fn take(&mut self, block: &Block) {
        // It can only fail when the thread has ended, and `finish` tells why.
        drop(self.blocks.send(block.clone()));
    }
}

fn write(memory: File, blocks: &Receiver<Block>) -> Result<File, i32> {
    for block in blocks {
        platform::write_at(&memory, block.bytes(), block.offset())?;
    }
    Ok(memory)
}

fn failed(doing: &str, errno: i32) -> String {
    let text = platform::errno_text(errno);
    format!("a sealed copy is not to be had: {doing} failed ({text})")
}
