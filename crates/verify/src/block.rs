//! A block of verified-to-be bytes on loan from the ring.

use crate::ring::{Buffer, Ring};
use std::sync::Arc;

/// A run of the file's bytes in a private buffer that nobody writes any more.
///
/// Clones are cheap and share the buffer, which goes back to the ring when the last one is
/// dropped. Whoever keeps blocks slows the reading down; whoever keeps all of them stops it.
#[derive(Clone)]
pub struct Block(Arc<Loan>);

struct Loan {
    ring: Arc<Ring>,
    offset: u64,
    buffer: Buffer,
}

impl Block {
    pub(crate) fn lend(ring: Arc<Ring>, offset: u64, buffer: Buffer) -> Self {
        Self(Arc::new(Loan {
            ring,
            offset,
            buffer,
        }))
    }

    /// Where in the file the bytes lie.
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.buffer.filled()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.ring.take_back(std::mem::take(&mut self.buffer));
    }
}
