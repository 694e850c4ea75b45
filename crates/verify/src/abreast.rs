//! Several files at once: every byte of each read once, and several of them hashed together on one core.
//!
//! One SHA-256 stream waits for the latency of its instructions, so a core has room for several. A thread
//! takes as many files as are its share, reads a block of each, hashes the blocks side by side, and gives
//! the files back: those with the most bytes left are always taken first, so that all end together.

mod lane;

pub use lane::PartConsumer;
pub(crate) use lane::{Entry, Outcome};

use crate::Refusal;
use crate::control::{Control, Wake, lock};
use crate::reader::Source;
use crate::ring::Failure;
use digest::Lanes;
use lane::Lane;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{Builder, JoinHandle};

/// How files are read abreast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    pub(crate) block_bytes: usize,
    pub(crate) threads: usize,
}

/// Four blocks of this size, as many as are hashed side by side, fit in a core's own cache.
pub(crate) const BLOCK_BYTES: usize = 256 << 10;

/// Blocks in memory at once, whatever the number of files and threads: 32 MiB of them.
const BLOCKS_MAX: usize = 128;

/// As many streams as the widest instructions take.
const STREAMS_MAX: usize = 16;
/// From so many on the widest instructions are the fastest; fewer go by fours.
const STREAMS_WIDE: usize = 13;
const STREAMS_NARROW: usize = 4;

/// A refusal and the file that it is about, by its place in what was asked.
pub(crate) type Refused = (usize, Refusal);

/// Reads and hashes all files. The first one that is changed, unreadable or has another digest than was
/// promised ends the reading of all. Formats are left to be judged by who has all outcomes.
pub(crate) fn read<S: Source>(
    entries: Vec<Entry<S>>,
    tuning: Tuning,
    control: &Control,
) -> Result<Vec<Outcome>, Refused> {
    let files = entries.len();
    let total: u64 = entries.iter().map(|entry| entry.facts.size).sum();
    let pool = Arc::new(Pool::new(entries, tuning, control));
    // Small files are read before a thread would have started.
    if total <= tuning.block_bytes as u64 {
        pool.work();
        return pool.outcomes();
    }
    let sleeper: Weak<Pool<S>> = Arc::downgrade(&pool);
    control.listen(sleeper as Weak<dyn Wake>);
    let threads = start(&pool, tuning.threads.min(files))?;
    let outcomes = pool.outcomes()?;
    for thread in threads {
        // A panic was caught in the thread and has ended the pool.
        let _: std::thread::Result<()> = thread.join();
    }
    Ok(outcomes)
}

/// Fewer threads only read slower, none is a failure.
fn start<S: Source>(pool: &Arc<Pool<S>>, count: usize) -> Result<Vec<JoinHandle<()>>, Refused> {
    let mut threads = Vec::with_capacity(count);
    for number in 0..count.max(1) {
        let pool = Arc::clone(pool);
        let thread = Builder::new().name(format!("model-part-{number}"));
        match thread.spawn(move || pool.work()) {
            Ok(thread) => threads.push(thread),
            Err(error) if threads.is_empty() => {
                let errno = error.raw_os_error();
                return Err((0, Failure::Start { errno }.into()));
            }
            Err(_) => break,
        }
    }
    Ok(threads)
}

struct Pool<S> {
    state: Mutex<State<S>>,
    /// Rung when a file is given back, or nothing more is to be done.
    bell: Condvar,
    tuning: Tuning,
    control: Control,
    lanes: Lanes,
}

struct State<S> {
    /// Not begun, the largest last.
    waiting: Vec<(usize, Entry<S>)>,
    /// Begun, and in nobody's hands.
    idle: Vec<Lane<S>>,
    taken: usize,
    outcomes: Vec<Option<Outcome>>,
    refused: Option<Refused>,
    closed: bool,
}

impl<S: Source> Pool<S> {
    fn new(entries: Vec<Entry<S>>, tuning: Tuning, control: &Control) -> Self {
        let outcomes = entries.iter().map(|_| None).collect();
        let mut waiting: Vec<_> = entries.into_iter().enumerate().collect();
        waiting.sort_by_key(|(_, entry)| entry.facts.size);
        Self {
            state: Mutex::new(State {
                waiting,
                idle: Vec::new(),
                taken: 0,
                outcomes,
                refused: None,
                closed: false,
            }),
            bell: Condvar::new(),
            tuning,
            control: control.clone(),
            lanes: Lanes::detect(),
        }
    }

    /// One thread's work, to its end. A panic is a fault of ours, and ends everything.
    fn work(&self) {
        let working = AssertUnwindSafe(|| {
            while let Some(lanes) = self.take() {
                let (going, ended) = self.round(lanes);
                self.give_back(going, ended);
            }
        });
        if catch_unwind(working).is_err() {
            self.refuse(0, Failure::Panicked.into());
        }
    }

    /// This thread's share of the files, or none when nothing is left to do.
    fn take(&self) -> Option<Vec<Lane<S>>> {
        let mut state = lock(&self.state);
        loop {
            if state.closed || self.control.is_cancelled() {
                return None;
            }
            state.begin(self.tuning.block_bytes);
            if !state.idle.is_empty() {
                return Some(state.share(self.tuning.threads));
            }
            if state.taken == 0 {
                return None;
            }
            state = wait(&self.bell, state);
        }
    }

    /// A block of each: read, hashed side by side, and shown to whoever else wants it.
    fn round(&self, mut lanes: Vec<Lane<S>>) -> (Vec<Lane<S>>, Vec<Ended>) {
        let blocks: Vec<_> = lanes.iter_mut().map(|it| it.read(&self.control)).collect();
        let bytes: Vec<&[u8]> = blocks
            .iter()
            .map(|block| block.as_ref().map_or(&[][..], crate::Block::bytes))
            .collect();
        let mut streams: Vec<_> = lanes.iter_mut().map(|lane| &mut lane.stream).collect();
        self.lanes.update(&mut streams, &bytes);
        self.control.advance(bytes.iter().map(|it| it.len()).sum());
        for (lane, block) in lanes.iter_mut().zip(&blocks) {
            if let Some(block) = block {
                lane.show(block);
            }
        }
        drop(blocks);
        let (ended, going): (Vec<_>, Vec<_>) = lanes.into_iter().partition(Lane::has_ended);
        let ended = ended.into_iter().map(|lane| (lane.index, lane.end()));
        (going, ended.collect())
    }

    fn give_back(&self, going: Vec<Lane<S>>, ended: Vec<Ended>) {
        let mut state = lock(&self.state);
        state.taken -= going.len() + ended.len();
        state.idle.extend(going);
        for (index, outcome) in ended {
            match outcome {
                Ok(outcome) => state.put(index, outcome),
                Err(refusal) => state.refuse(index, refusal),
            }
        }
        drop(state);
        self.bell.notify_all();
    }

    fn refuse(&self, index: usize, refusal: Refusal) {
        lock(&self.state).refuse(index, refusal);
        self.bell.notify_all();
    }

    /// Waits for all files, the first refusal or a cancel. A read that the disk does not answer is left alone.
    fn outcomes(&self) -> Result<Vec<Outcome>, Refused> {
        let mut state = lock(&self.state);
        loop {
            if let Some(refused) = state.refused.take() {
                return Err(refused);
            }
            if state.outcomes.iter().all(Option::is_some) {
                return Ok(state.outcomes.drain(..).flatten().collect());
            }
            if self.control.is_cancelled() {
                state.closed = true;
                return Err((0, Refusal::aborted()));
            }
            state = wait(&self.bell, state);
        }
    }
}

/// A file that was read to its end, or not at all.
type Ended = (usize, Result<Outcome, Refusal>);

impl<S: Source> State<S> {
    /// Begins as many files as the memory for their blocks allows, the largest first.
    fn begin(&mut self, block_bytes: usize) {
        while let Some((_, next)) = self.waiting.last() {
            let open = self.idle.len() + self.taken;
            if open > 0 && (open + 1) * next.blocks_max() > BLOCKS_MAX {
                return;
            }
            if let Some((index, entry)) = self.waiting.pop() {
                self.idle.push(Lane::start(index, entry, block_bytes));
            }
        }
    }

    /// Those with the most left to read, in numbers that the instructions take well.
    fn share(&mut self, threads: usize) -> Vec<Lane<S>> {
        let open = self.idle.len() + self.taken;
        let count = match open.div_ceil(threads.max(1)) {
            few @ ..=STREAMS_NARROW => few,
            STREAMS_WIDE.. => STREAMS_MAX,
            _ => STREAMS_NARROW,
        };
        self.idle.sort_by_key(Lane::bytes_left);
        let rest = self.idle.len().saturating_sub(count);
        let share = self.idle.split_off(rest);
        self.taken += share.len();
        share
    }

    fn put(&mut self, index: usize, outcome: Outcome) {
        if let Some(place) = self.outcomes.get_mut(index) {
            *place = Some(outcome);
        }
    }

    /// Of several, the one about the first file is told.
    fn refuse(&mut self, index: usize, refusal: Refusal) {
        self.closed = true;
        if self
            .refused
            .as_ref()
            .is_none_or(|&(known, _)| index < known)
        {
            self.refused = Some((index, refusal));
        }
    }
}

impl<S: Source> Wake for Pool<S> {
    /// Takes the lock first: whoever looked before is then surely waiting and hears the bell.
    fn wake(&self) {
        let _state = lock(&self.state);
        self.bell.notify_all();
    }
}

fn wait<'state, T>(bell: &Condvar, state: MutexGuard<'state, T>) -> MutexGuard<'state, T> {
    bell.wait(state).unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
