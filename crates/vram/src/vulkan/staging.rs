//! Staging: memory of the host's that the device can read, through which bytes go to the device while
//! the next ones are copied.

use super::gpu::Opened;
use super::memory::Segments;
use super::sys::{Buffer, Commands, Place};
use crate::VramError;

/// Bytes of one buffer, at most: long enough that the link is busy between two of them. A small file has smaller ones,
/// for a split model can have many of them.
const BUFFER_BYTES_MAX: u64 = 4 << 20;

/// One is filled while the others are on their way.
const BUFFERS: usize = 3;

/// The buffers, which go round.
pub(super) struct Staging {
    lanes: Vec<Lane>,
    buffer_bytes: u64,
    next: usize,
}

/// A buffer and the commands that empty it. They come first: dropped, they wait.
struct Lane {
    commands: Commands,
    buffer: Buffer,
}

impl Staging {
    /// For so many bytes in all.
    pub(super) fn new(opened: &Opened, bytes: u64) -> Result<Self, VramError> {
        let buffer_bytes = bytes.clamp(1, BUFFER_BYTES_MAX);
        let lane = || {
            let device = || opened.device.clone();
            Ok(Lane {
                commands: Commands::new(device())?,
                buffer: Buffer::new(device(), buffer_bytes, Place::ToDevice)?,
            })
        };
        let lanes: Result<_, VramError> = (0..BUFFERS).map(|_| lane()).collect();
        Ok(Self {
            lanes: lanes?,
            buffer_bytes,
            next: 0,
        })
    }

    /// Sends `data` to byte `offset`, which must lie inside with all that follows it.
    pub(super) fn send(
        &mut self,
        segments: &Segments,
        mut offset: u64,
        mut data: &[u8],
    ) -> Result<(), VramError> {
        while let Some((segment, at)) = segments.find(offset).filter(|_| !data.is_empty()) {
            let room = self.buffer_bytes.min(segment.bytes().saturating_sub(at));
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let (piece, rest) = data.split_at(room.min(data.len()));
            if piece.is_empty() {
                break;
            }
            self.send_piece(segment, at, piece)?;
            offset += piece.len() as u64;
            data = rest;
        }
        Ok(())
    }

    fn send_piece(&mut self, to: &Buffer, at: u64, piece: &[u8]) -> Result<(), VramError> {
        let count = self.lanes.len();
        let Some(Lane { commands, buffer }) = self.lanes.get_mut(self.next) else {
            return Ok(());
        };
        self.next = (self.next + 1) % count;
        commands.wait()?;
        if let Some(room) = buffer.host_bytes().get_mut(..piece.len()) {
            room.copy_from_slice(piece);
        }
        let bytes = piece.len() as u64;
        Ok(commands.send(|list| list.copy((buffer, 0), (to, at), bytes))?)
    }

    /// Until all of it has arrived.
    pub(super) fn wait(&mut self) -> Result<(), VramError> {
        for lane in &mut self.lanes {
            lane.commands.wait()?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A lost device has nothing on its way.
        drop(self.wait());
        for lane in &mut self.lanes {
            // Weights are nobody's business once they have arrived.
            lane.buffer.host_bytes().fill(0);
        }
    }
}
