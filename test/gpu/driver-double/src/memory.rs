//! The device's memory: which addresses exist, who may do what to them, and how fast they answer.

use crate::faults::Faults;

/// The size of the device's pages, and of what can be allocated.
pub(crate) const PAGE_BYTES: u64 = 2 << 20;

/// Cycles of one load past the caches.
const LOCAL_CYCLES: u64 = 700;
const HOST_CYCLES: u64 = 2200;

/// One range of addresses with bytes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    pub(crate) writable: bool,
    pub(crate) readable: bool,
    pub(crate) kind: Kind,
    /// Never given twice.
    pub(crate) id: u64,
}

/// What a range was made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of cuMemAlloc.
    Plain,
    /// Of cuMemAllocManaged.
    Managed,
    /// Of cuMemHostAlloc.
    Host,
    /// Of cuMemMap.
    Mapped,
}

/// All ranges, as a kernel sees them.
pub(crate) struct View {
    ranges: Vec<Range>,
    slow: Slow,
    waiting_cycles: u64,
}

/// Pages that answer as slowly as the host's.
struct Slow {
    all: bool,
    pages: Vec<u64>,
    of: Option<Range>,
}

/// The mapping that faults are about: the newest, or the one that `mapping` says by its age.
pub(crate) fn meant(ranges: &[Range], faults: &Faults) -> Option<Range> {
    let mapped = ranges.iter().filter(|range| range.kind == Kind::Mapped);
    let mut mapped: Vec<Range> = mapped.copied().collect();
    mapped.sort_by_key(|range| range.id);
    match faults.number("mapping") {
        Some(number) => mapped
            .get(usize::try_from(number).ok()?.checked_sub(1)?)
            .copied(),
        None => mapped.last().copied(),
    }
}

impl View {
    pub(crate) fn of(mut ranges: Vec<Range>, faults: &Faults) -> Self {
        ranges.sort_by_key(|range| range.start);
        let text = faults.text("slow_pages").unwrap_or_default();
        let slow = Slow {
            all: text == "all",
            pages: text
                .split(',')
                .filter_map(|page| page.parse().ok())
                .collect(),
            of: meant(&ranges, faults),
        };
        let waiting_cycles = faults.number("waiting_cycles").unwrap_or(0);
        Self {
            ranges,
            slow,
            waiting_cycles,
        }
    }

    /// Whether the bytes may be read, or written; the reason, where not.
    pub(crate) fn check(&self, address: u64, bytes: u64, write: bool) -> Result<(), String> {
        let after = self.ranges.partition_point(|range| range.start <= address);
        let range = after.checked_sub(1).map(|before| self.ranges[before]);
        let inside = range.filter(|range| address + bytes <= range.start + range.bytes);
        match inside {
            Some(range) if !range.readable => Err(format!("no access to {address:#x}")),
            Some(range) if write && !range.writable => {
                Err(format!("store to read-only {address:#x}"))
            }
            Some(_) => Ok(()),
            None => Err(format!("illegal address {address:#x} + {bytes}")),
        }
    }

    /// Cycles that an uncached load takes.
    pub(crate) fn cycles(&self, address: u64) -> u64 {
        let host = self.ranges.iter().any(|range| {
            range.kind == Kind::Host && (range.start..range.start + range.bytes).contains(&address)
        });
        let memory = if host || self.slow.has(address) {
            HOST_CYCLES
        } else {
            LOCAL_CYCLES
        };
        memory + self.waiting_cycles
    }
}

impl Slow {
    fn has(&self, address: u64) -> bool {
        self.of.is_some_and(|range| {
            let inside = (range.start..range.start + range.bytes).contains(&address);
            inside && (self.all || self.pages.contains(&((address - range.start) / PAGE_BYTES)))
        })
    }
}
