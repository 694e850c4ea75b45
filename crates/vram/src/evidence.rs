//! Evidence: what was seen, level by level, never merged into one boolean.

use crate::{DeviceUuid, Freshness, KernelFacts};
use digest::{Blake3Digest, TileValue};

/// How thoroughly a shard is looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum Level {
    /// What the driver says, and the pages' latency. No content.
    Quick,
    /// As quick, and this fraction of the tiles, chosen anew each time: more than 0, at most 1.
    Sample(f64),
    /// As quick, and every tile, timed.
    Full,
    /// As full, answered under a nonce that the caller chose: nobody can have prepared the answer.
    Challenge([u8; 32]),
    /// As quick, and the keyed digest of all bytes under a nonce of [`crate::Vault::book`].
    Book {
        /// The nonce.
        nonce: [u8; 32],
        /// What the book has for it, where whoever asks also judges; else only the response is given.
        answer: Option<[u8; 32]>,
    },
}

impl Level {
    /// Its name in records and on the command line.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Sample(_) => "sample",
            Self::Full => "full",
            Self::Challenge(_) | Self::Book { .. } => "challenge",
        }
    }
}

/// What all the evidence together says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Everything that was looked at lies in the device's own memory and is what was sealed.
    Resident,
    /// Something is not on the device, or not what was sealed.
    NotResident,
    /// The device has no memory of its own; the content is what was sealed.
    Unified,
    /// Nothing is wrong, but something that was demanded could not be shown: a busy device, say.
    Inconclusive,
}

impl Verdict {
    /// The one that counts of several: what is wrong first, then what is not shown. Of none, that nothing was shown.
    pub(crate) fn worst(verdicts: impl IntoIterator<Item = Self>) -> Self {
        let gravity = |verdict: &Self| match verdict {
            Self::Resident => 0,
            Self::Unified => 1,
            Self::Inconclusive => 2,
            Self::NotResident => 3,
        };
        verdicts
            .into_iter()
            .max_by_key(gravity)
            .unwrap_or(Self::Inconclusive)
    }

    /// Its name in records and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resident => "resident",
            Self::NotResident => "not-resident",
            Self::Unified => "unified",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What one check saw.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// How thoroughly it looked.
    pub level: Level,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why the verdict is not `resident`, in sentences; empty where it is.
    pub reasons: Vec<String>,
    /// The device.
    pub device: DeviceUuid,
    /// The kernels that computed it.
    pub kernel: KernelFacts,
    /// What the driver counts.
    pub accounting: Accounting,
    /// What the driver says of this memory.
    pub placement: Placement,
    /// What the bytes are.
    pub content: Content,
    /// How fast they came.
    pub timing: Timing,
    /// Whether the answer can be an old one.
    pub freshness: Freshness,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Of a split model, what each of its files showed, in order; the other fields then speak of all of
    /// them together.
    pub parts: Vec<Evidence>,
}

/// L0, accounting: the driver's counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// The device's memory, in bytes.
    pub total_bytes: u64,
    /// What is free of it now, all processes together, in bytes.
    pub free_bytes: Option<u64>,
    /// What this process holds of it now, in bytes; nothing under WDDM and in most containers.
    pub process_bytes: Option<u64>,
    /// What this process asked for in it and the driver has pushed out of it, in bytes (amdgpu's fdinfo): not among
    /// `process_bytes`, and of whichever of the process's allocations.
    pub evicted_bytes: Option<u64>,
    /// Memory errors that could not be corrected, since the driver was loaded.
    pub ecc_uncorrected: Option<u64>,
    /// Whether a row of memory waits to be replaced at the next reset.
    pub row_remap_pending: Option<bool>,
}

/// What memory is, by the driver's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryType {
    /// The device's own.
    Device,
    /// The host's, seen through the link.
    Host,
    /// One address for both; it may lie anywhere.
    Unified,
    /// The driver does not say.
    #[default]
    Unknown,
}

impl MemoryType {
    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Host => "host",
            Self::Unified => "unified",
            Self::Unknown => "unknown",
        }
    }
}

/// What the device itself may do to memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Read alone: a store faults and kills the context.
    ReadOnly,
    /// Read and write.
    #[default]
    ReadWrite,
}

impl Access {
    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        }
    }
}

/// L1, placement: what the driver says of this memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// What the memory is.
    pub memory_type: MemoryType,
    /// Whether the driver may move it between host and device.
    pub managed: Option<bool>,
    /// Whether the allocation was made on this very device.
    pub on_device: Option<bool>,
    /// Whether it is pinned: it cannot move while it is in use.
    pub pinned: Option<bool>,
    /// Whether the host can map it.
    pub host_visible: Option<bool>,
    /// A number that the driver never gives twice: another one means another allocation.
    pub allocation_id: Option<u64>,
    /// Bytes of the allocation, at least those that were asked for.
    pub allocation_bytes: Option<u64>,
    /// What the device may do to it.
    pub access: Access,
}

/// L2, content: what the bytes are, read through the device's own memory path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Bytes of the shard.
    pub bytes_total: u64,
    /// Bytes whose digest was computed.
    pub bytes_checked: u64,
    /// Tiles whose digest was computed.
    pub tiles_checked: u64,
    /// The digest of all bytes on the device, where all were checked and right.
    pub root: Option<Blake3Digest>,
    /// How many tiles are wrong.
    pub bad_tiles_count: u64,
    /// The first of them.
    pub bad_tiles: Vec<BadTile>,
}

/// Bad tiles that are named; the rest is counted.
const BAD_TILES_NAMED_MAX: usize = 64;

impl Content {
    /// One more bad tile, which is named while there is room.
    pub(crate) fn note_bad(&mut self, tile: BadTile) {
        self.bad_tiles_count += 1;
        if self.bad_tiles.len() < BAD_TILES_NAMED_MAX {
            self.bad_tiles.push(tile);
        }
    }

    /// Says of each bad tile which file of a split model it is in, counted from 1.
    pub(crate) fn of_part(&mut self, number: u32) {
        for tile in &mut self.bad_tiles {
            tile.part = Some(number);
        }
    }

    /// What another file of the same model shows beside this one.
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes_total += other.bytes_total;
        self.bytes_checked += other.bytes_checked;
        self.tiles_checked += other.tiles_checked;
        self.bad_tiles_count += other.bad_tiles_count;
        let room = BAD_TILES_NAMED_MAX.saturating_sub(self.bad_tiles.len());
        let more = other.bad_tiles.iter().take(room);
        self.bad_tiles.extend(more.cloned());
    }
}

/// A tile that is not what was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTile {
    /// Which file of a split model it is in, counted from 1; nothing for a model of one file.
    pub part: Option<u32>,
    /// Its number in the file, from 0.
    pub index: u64,
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// What was sealed.
    pub expected: TileValue,
    /// What is there now.
    pub actual: TileValue,
    /// The tensors that it holds bytes of.
    pub tensors: Vec<String>,
}

/// L3, timing: how fast the bytes came. The only thing that catches a driver that moved them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// Seconds by the host's clock, around submitting and waiting; of the fastest try.
    pub wall_seconds: f64,
    /// Seconds by the device's own events, where it has them.
    pub device_seconds: Option<f64>,
    /// Bytes a second by the host's clock.
    pub bytes_per_second: f64,
    /// What the same bytes took at the seal, in seconds.
    pub calibrated_seconds: Option<f64>,
    /// How often it was measured.
    pub tries: u32,
    /// The least fraction of the checked bytes that must have lain on the device, whatever the
    /// driver says: `1 - (link * seconds + cache) / bytes`. Nothing where the link is not known.
    pub resident_fraction_min: Option<f64>,
    /// Wall time far beyond the device's own: something was brought in first.
    pub paged_in: bool,
    /// The pages' latencies, where they were measured.
    pub latency: Option<Latency>,
}

/// How fast single pages answer, in the device's clock cycles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Pages that were probed.
    pub pages: u64,
    /// Bytes of a page.
    pub page_bytes: u64,
    /// The fastest page.
    pub cycles_min: u32,
    /// The page in the middle.
    pub cycles_median: u32,
    /// The slowest page.
    pub cycles_max: u32,
    /// What memory that surely is on the device takes.
    pub local_cycles: Option<u32>,
    /// What memory that surely is the host's takes.
    pub host_cycles: Option<u32>,
    /// A page that takes more is slow; nothing where the two cannot be told apart.
    pub slow_cycles: Option<u32>,
    /// How many pages are slow.
    pub slow_pages_count: u64,
    /// The first of them, by number.
    pub slow_pages: Vec<u64>,
}

/// Slow pages that are named; the rest is counted.
pub(crate) const NAMED_PAGES_MAX: usize = 64;

#[cfg(test)]
impl Evidence {
    /// Of a full check that says nothing but its verdict.
    pub(crate) fn bare(verdict: Verdict) -> Self {
        Self {
            level: Level::Full,
            verdict,
            reasons: Vec::new(),
            device: DeviceUuid::from([1; 16]),
            kernel: KernelFacts {
                name: "none",
                blake3: [0; 32].into(),
                driver_library: String::new(),
            },
            accounting: Accounting::default(),
            placement: Placement::default(),
            content: Content::default(),
            timing: Timing::default(),
            freshness: Freshness::default(),
            at_unix_ms: 0,
            parts: Vec::new(),
        }
    }
}
