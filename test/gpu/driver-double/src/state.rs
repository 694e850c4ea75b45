//! Everything that the device holds, and the calls' way to it.

use crate::faults::Faults;
use crate::memory::{Kind, Range, View, meant};
use crate::ptx::Kernel;
use std::alloc::Layout;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) const INVALID: i32 = 1;
pub(crate) const OUT_OF_MEMORY: i32 = 2;
pub(crate) const ILLEGAL_ADDRESS: i32 = 700;
pub(crate) const LAUNCH_FAILED: i32 = 719;

/// What it does in a second, by its own clock.
const HASHED_BYTES_PER_SECOND: u64 = 1_500_000_000_000;
const COPIED_BYTES_PER_SECOND: u64 = 50_000_000_000;
const LAUNCH_NANOSECONDS: u64 = 5_000;

static STATE: Mutex<State> = Mutex::new(State::new());

/// The one device's state. Streams do their work at once, so that nothing is ever on its way.
pub(crate) struct State {
    pub(crate) ranges: BTreeMap<u64, (Range, Layout)>,
    /// Reserved addresses without memory: how many bytes, and their layout.
    pub(crate) reserved: BTreeMap<u64, Layout>,
    pub(crate) allocations: BTreeMap<u64, Held>,
    pub(crate) modules: BTreeMap<usize, Vec<Kernel>>,
    pub(crate) objects: BTreeMap<usize, &'static str>,
    pub(crate) events: BTreeMap<usize, u64>,
    pub(crate) contexts: u64,
    pub(crate) dirty_bytes: u64,
    pub(crate) nanoseconds: u64,
    pub(crate) slow_launches_done: u64,
    paged_in: bool,
    pub(crate) calls: u64,
    pub(crate) flipped: BTreeSet<(u64, u64)>,
    pub(crate) sticky: Option<i32>,
    next: u64,
}

/// An allocation of cuMemCreate. It lives while someone names it or an address stands for it.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) bytes: u64,
    pub(crate) references: u64,
    pub(crate) mapped_at: Option<u64>,
}

impl State {
    const fn new() -> Self {
        Self {
            ranges: BTreeMap::new(),
            reserved: BTreeMap::new(),
            allocations: BTreeMap::new(),
            modules: BTreeMap::new(),
            objects: BTreeMap::new(),
            events: BTreeMap::new(),
            contexts: 0,
            dirty_bytes: 0,
            nanoseconds: 0,
            slow_launches_done: 0,
            paged_in: false,
            calls: 0,
            flipped: BTreeSet::new(),
            sticky: None,
            next: 1,
        }
    }

    /// A number that was never given before.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn object(&mut self, kind: &'static str) -> usize {
        let number = usize::try_from(self.number()).unwrap_or(usize::MAX);
        self.objects.insert(number, kind);
        number
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        let held: u64 = self.allocations.values().map(|held| held.bytes).sum();
        let plain = self.ranges.values().map(|(range, _)| range);
        let plain = plain.filter(|range| range.kind == Kind::Plain);
        held + plain.map(|range| range.bytes).sum::<u64>()
    }

    pub(crate) fn view(&self, faults: &Faults) -> View {
        View::of(
            self.ranges.values().map(|(range, _)| *range).collect(),
            faults,
        )
    }

    pub(crate) fn range_at(&self, address: u64) -> Option<Range> {
        let (_, (range, _)) = self.ranges.range(..=address).next_back()?;
        (address < range.start + range.bytes).then_some(*range)
    }

    /// The mapping that faults are about.
    pub(crate) fn meant_mapping(&self, faults: &Faults) -> Option<Range> {
        let ranges: Vec<Range> = self.ranges.values().map(|(range, _)| *range).collect();
        meant(&ranges, faults)
    }

    /// The host waits, and what the device has been told to do by then begins as much later.
    fn page_in(&mut self, faults: &Faults) {
        let Some(nanoseconds) = faults.number("page_in").filter(|_| !self.paged_in) else {
            return;
        };
        self.paged_in = true;
        let now = self.nanoseconds;
        for mark in self.events.values_mut().filter(|mark| **mark == now) {
            *mark += nanoseconds;
        }
        self.nanoseconds += nanoseconds;
    }

    pub(crate) fn pass_launch(&mut self, bytes: u64, faults: &Faults) {
        self.page_in(faults);
        let nanoseconds =
            LAUNCH_NANOSECONDS + bytes * 1_000 / (HASHED_BYTES_PER_SECOND / 1_000_000);
        let limit = faults.number("slow_launches");
        let slow = limit.is_none_or(|limit| self.slow_launches_done < limit);
        let factor = if slow {
            faults.number("slowness").unwrap_or(1)
        } else {
            1
        };
        if factor > 1 {
            self.slow_launches_done += 1;
        }
        self.nanoseconds += nanoseconds * factor;
    }

    pub(crate) fn pass_copy(&mut self, bytes: u64) {
        self.nanoseconds += bytes * 1_000 / (COPIED_BYTES_PER_SECOND / 1_000_000);
    }
}

/// The state, for one call. A lost device answers nothing but that it is lost.
pub(crate) fn device() -> Result<(MutexGuard<'static, State>, Faults), i32> {
    let faults = Faults::now();
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    if faults.has("lost") {
        state.sticky = Some(LAUNCH_FAILED);
    }
    match state.sticky {
        Some(status) => Err(status),
        None => Ok((state, faults)),
    }
}

/// The state, also of a lost device.
pub(crate) fn whatever() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
