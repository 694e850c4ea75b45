//! The ring of private buffers between those who fill blocks and the pass that takes them in order.
//!
//! A buffer and the next block's index are claimed together, so that every claimed block can be
//! filled and the order never waits for a buffer. The number of buffers bounds the memory.

use crate::block::Block;
use crate::control::{Control, Wake, lock};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How the bytes are cut into blocks, and how many may be in memory at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) bytes_total: u64,
    pub(crate) block_bytes: usize,
    pub(crate) blocks_max: usize,
}

impl Shape {
    fn blocks(&self) -> u64 {
        self.bytes_total.div_ceil(self.block_bytes as u64)
    }

    fn offset(&self, index: u64) -> u64 {
        index * self.block_bytes as u64
    }

    /// Every block is full but the last.
    fn length(&self, index: u64) -> usize {
        let rest = self.bytes_total - self.offset(index);
        usize::try_from(rest).map_or(self.block_bytes, |rest| rest.min(self.block_bytes))
    }
}

/// Why the bytes ended before all of them were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The load was cancelled.
    Aborted,
    /// The bytes ended here, before the size that was promised.
    Short { offset: u64 },
    /// The operating system could not read here.
    Read { offset: u64, errno: Option<i32> },
    /// The bytes from here on are not those of the record.
    WrongTile { offset: u64 },
    /// Nobody could be started to read.
    Start { errno: Option<i32> },
    /// One who fills blocks panicked.
    Panicked,
}

/// Bytes of one block; the length is that of the block it was last claimed for.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
}

impl Buffer {
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The right and duty to fill one block.
pub(crate) struct Claim {
    index: u64,
    pub(crate) offset: u64,
    buffer: Buffer,
}

impl Claim {
    /// The room for the block's bytes. A new buffer is allocated here, outside the ring's lock; one
    /// that is too small cannot come back, because only the last block is shorter than the others.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        let Buffer { bytes, length } = &mut self.buffer;
        if bytes.len() < *length {
            *bytes = vec![0; *length].into_boxed_slice();
        }
        bytes.get_mut(..*length).unwrap_or_default()
    }
}

pub(crate) struct Ring {
    shape: Shape,
    state: Mutex<State>,
    /// Rung when a block is there, or nothing more will come.
    filled: Condvar,
    /// Rung when a buffer is free, or none is needed any more.
    freed: Condvar,
}

#[derive(Default)]
struct State {
    free: Vec<Buffer>,
    buffers: usize,
    claimed: u64,
    taken: u64,
    ready: BTreeMap<u64, Result<Buffer, Failure>>,
    /// What to say when the next block is not there and will not come.
    ended: Option<Failure>,
    /// Nobody takes blocks any more.
    closed: bool,
}

impl Ring {
    pub(crate) fn new(shape: Shape) -> Arc<Self> {
        Arc::new(Self {
            shape,
            state: Mutex::default(),
            filled: Condvar::new(),
            freed: Condvar::new(),
        })
    }

    /// The next block to fill, waiting for a buffer. None when there is nothing left to fill.
    pub(crate) fn claim(&self) -> Option<Claim> {
        let mut state = lock(&self.state);
        while !self.is_settled(&state) && !self.has_buffer(&state) {
            state = wait(&self.freed, state);
        }
        self.claim_locked(&mut state)
    }

    /// The next block to fill, if there is one and a buffer is free now.
    pub(crate) fn try_claim(&self) -> Option<Claim> {
        self.claim_locked(&mut lock(&self.state))
    }

    /// Waits until `try_claim` would answer, or never will.
    pub(crate) fn wait_for_room(&self, control: &Control) {
        let mut state = lock(&self.state);
        while !control.is_cancelled() && !self.is_settled(&state) && !self.has_buffer(&state) {
            state = wait(&self.freed, state);
        }
    }

    /// Whether nothing is left to claim or nobody wants it.
    pub(crate) fn wants_nothing(&self) -> bool {
        self.is_settled(&lock(&self.state))
    }

    pub(crate) fn publish(&self, claim: Claim) {
        self.settle(claim.index, Ok(claim.buffer));
    }

    /// Says that a claimed block cannot be filled. Blocks before it are still taken.
    pub(crate) fn fail(&self, claim: &Claim, failure: Failure) {
        self.settle(claim.index, Err(failure));
    }

    /// Says that no more blocks will come than are there.
    pub(crate) fn end(&self, failure: Failure) {
        lock(&self.state).ended.get_or_insert(failure);
        self.filled.notify_all();
    }

    /// The next block in order, or None after the last one.
    pub(crate) fn next(self: &Arc<Self>, control: &Control) -> Result<Option<Block>, Failure> {
        let mut state = lock(&self.state);
        loop {
            if control.is_cancelled() {
                return Err(Failure::Aborted);
            }
            if state.taken == self.shape.blocks() {
                return Ok(None);
            }
            if let Some(answer) = state.take_next() {
                let offset = self.shape.offset(state.taken - 1);
                drop(state);
                return answer.map(|buffer| Some(Block::lend(Arc::clone(self), offset, buffer)));
            }
            if let Some(failure) = state.ended {
                return Err(failure);
            }
            state = wait(&self.filled, state);
        }
    }

    /// Sends those who fill blocks home and frees what nobody holds.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.free.clear();
        state.ready.clear();
        drop(state);
        self.wake();
    }

    /// Takes a buffer back that its last holder let go.
    pub(crate) fn take_back(&self, buffer: Buffer) {
        let mut state = lock(&self.state);
        if !self.is_settled(&state) {
            state.free.push(buffer);
            self.freed.notify_one();
        }
    }

    fn settle(&self, index: u64, block: Result<Buffer, Failure>) {
        let mut state = lock(&self.state);
        if !state.closed {
            state.ready.insert(index, block);
            // Who waits, waits for the next one: any other would wake it for nothing.
            if index == state.taken {
                self.filled.notify_all();
            }
        }
    }

    fn is_settled(&self, state: &State) -> bool {
        state.closed || state.claimed == self.shape.blocks()
    }

    fn has_buffer(&self, state: &State) -> bool {
        !state.free.is_empty() || state.buffers < self.shape.blocks_max
    }

    fn claim_locked(&self, state: &mut State) -> Option<Claim> {
        if self.is_settled(state) || !self.has_buffer(state) {
            return None;
        }
        let mut buffer = state.free.pop().unwrap_or_else(|| {
            state.buffers += 1;
            Buffer::default()
        });
        let index = state.claimed;
        state.claimed += 1;
        if self.is_settled(state) {
            self.freed.notify_all();
        }
        buffer.length = self.shape.length(index);
        Some(Claim {
            index,
            offset: self.shape.offset(index),
            buffer,
        })
    }
}

impl State {
    fn take_next(&mut self) -> Option<Result<Buffer, Failure>> {
        let answer = self.ready.remove(&self.taken)?;
        self.taken += 1;
        Some(answer)
    }
}

impl Wake for Ring {
    /// Takes the lock first: whoever checked before is then surely waiting and hears the bell.
    fn wake(&self) {
        let _state = lock(&self.state);
        self.filled.notify_all();
        self.freed.notify_all();
    }
}

fn wait<'state>(bell: &Condvar, state: MutexGuard<'state, State>) -> MutexGuard<'state, State> {
    bell.wait(state).unwrap_or_else(PoisonError::into_inner)
}
