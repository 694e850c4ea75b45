//! Staging: pinned host memory through which bytes go to the device while the next ones are copied.

use super::gpu::Opened;
use super::sys::{Event, HostMemory, Stream};
use crate::VramError;
use std::sync::Arc;

/// Bytes of one buffer, at most: long enough that the link is busy between two of them. A small file has smaller ones,
/// for a split model can have many of them.
const BUFFER_BYTES_MAX: usize = 4 << 20;

/// One is filled while the others are on their way.
const BUFFERS: usize = 3;

/// The buffers, which go round. Ended when it is dropped, after what is on its way has arrived.
pub(super) struct Staging {
    opened: Arc<Opened>,
    stream: Stream,
    buffers: Vec<Buffer>,
    buffer_bytes: usize,
    next: usize,
}

struct Buffer {
    memory: HostMemory,
    /// Passed once the buffer's bytes have left it.
    sent: Event,
    on_its_way: bool,
}

impl Staging {
    /// For so many bytes in all. To be called in the device's context, as everything here.
    pub(super) fn new(opened: Arc<Opened>, stream: Stream, bytes: u64) -> Result<Self, VramError> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let buffer_bytes = bytes.clamp(1, BUFFER_BYTES_MAX);
        let mut staging = Self {
            opened,
            stream,
            buffers: Vec::with_capacity(BUFFERS),
            buffer_bytes,
            next: 0,
        };
        for _ in 0..BUFFERS {
            let driver = staging.opened.driver;
            staging.buffers.push(Buffer {
                memory: driver.host_memory(buffer_bytes)?,
                sent: driver.new_event()?,
                on_its_way: false,
            });
        }
        Ok(staging)
    }

    pub(super) fn send(&mut self, address: u64, data: &[u8]) -> Result<(), VramError> {
        let mut address = address;
        for piece in data.chunks(self.buffer_bytes) {
            self.send_piece(address, piece)?;
            address += piece.len() as u64;
        }
        Ok(())
    }

    fn send_piece(&mut self, address: u64, piece: &[u8]) -> Result<(), VramError> {
        let driver = self.opened.driver;
        let Some(buffer) = self.buffers.get_mut(self.next) else {
            return Ok(());
        };
        self.next = (self.next + 1) % BUFFERS;
        if std::mem::take(&mut buffer.on_its_way) {
            driver.wait_for_event(buffer.sent)?;
        }
        if let Some(room) = buffer.memory.bytes_mut().get_mut(..piece.len()) {
            room.copy_from_slice(piece);
        }
        buffer.memory.copy_in(piece.len(), address, self.stream)?;
        buffer.on_its_way = true;
        Ok(driver.record(buffer.sent, self.stream)?)
    }

    fn end(&mut self) -> Result<(), VramError> {
        let _entered = self.opened.enter()?;
        let driver = self.opened.driver;
        // Whatever this says: afterwards no copy reads the buffers any more.
        let waited = driver.wait_for_stream(self.stream);
        for buffer in self.buffers.drain(..) {
            // Weights are nobody's business once they have arrived.
            let Buffer {
                mut memory, sent, ..
            } = buffer;
            memory.bytes_mut().fill(0);
            drop(driver.end_event(sent));
        }
        Ok(waited?)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A dead context has nothing on its way.
        drop(self.end());
    }
}
