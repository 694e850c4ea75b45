//! A sealed shard: the memory, and what it was when it was sealed.

use crate::comparison::{Compared, Comparison, Expected, slice_tiles};
use crate::tensors::TensorMap;
use crate::verdict::{Baseline, Seen, judge};
use crate::{
    Access, Accounting, BookEntry, Clock, Code, Evidence, Freshness, FreshnessMethod, Gpu, Latency,
    Level, Memory, PageCycles, Placement, Policy, SealRecord, Timing, VramError, latency, sampling,
    self_test, timing,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use verify::{Control, Tiles};

/// What is known of a shard since its seal.
pub(crate) struct Facts {
    pub(crate) tiles: Tiles,
    pub(crate) tensors: TensorMap,
    pub(crate) policy: Policy,
    pub(crate) scale: Option<(u32, u32)>,
    /// What a full check took at the seal, in seconds.
    pub(crate) calibrated_seconds: Option<f64>,
    pub(crate) access: Access,
    pub(crate) allocation_id: Option<u64>,
    pub(crate) ecc_uncorrected: Option<u64>,
}

/// A sealed model on a device.
pub(crate) struct Shard {
    pub(crate) gpu: Arc<dyn Gpu>,
    pub(crate) facts: Facts,
    pub(crate) record: SealRecord,
    /// Nothing once it was disposed of.
    pub(crate) memory: Mutex<Option<Box<dyn Memory>>>,
    pub(crate) closing: AtomicBool,
}

/// Who may stop a check, and by which clock it is timed.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) control: &'a Control,
}

/// What a check of content found, and how fresh it is.
struct Found {
    compared: Compared,
    freshness: Freshness,
    tries: u32,
    slow: bool,
}

impl Shard {
    /// Looks at the shard. The evidence is all there is: it says what is wrong, and this fails only
    /// where nothing could be looked at.
    pub(crate) fn check(&self, level: &Level, watch: Watch<'_>) -> Result<Evidence, VramError> {
        self.checked(level, watch)
            .map_err(|error| error.on(self.gpu.device().uuid))
    }

    fn checked(&self, level: &Level, watch: Watch<'_>) -> Result<Evidence, VramError> {
        sampling::judge(level)?;
        let accounting = self.gpu.usage()?;
        let placement = self.with_memory(watch, |memory| memory.placement())?;
        let latency = self.latency(watch)?;
        let found = self.content(level, watch)?;
        Ok(self.evidence(level, accounting, placement, latency, found))
    }

    /// Does one short thing with the memory. Between two such things another check or the disposal
    /// may come in.
    pub(crate) fn with_memory<T>(
        &self,
        watch: Watch<'_>,
        work: impl FnOnce(&mut dyn Memory) -> Result<T, VramError>,
    ) -> Result<T, VramError> {
        if watch.control.is_cancelled() {
            return Err(VramError::new(Code::Aborted, "the check was cancelled"));
        }
        if self.closing.load(Ordering::SeqCst) {
            return Err(disposed());
        }
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match memory.as_deref_mut() {
            Some(memory) => work(memory),
            None => Err(disposed()),
        }
    }

    /// Clears and frees, after the slice that is being hashed: how many bytes became free.
    pub(crate) fn dispose(&self) -> Result<u64, VramError> {
        self.closing.store(true, Ordering::SeqCst);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let released = memory.take().map_or(Ok(0), Memory::release);
        released.map_err(|error| error.on(self.gpu.device().uuid))
    }

    pub(crate) fn expected(&self) -> Expected<'_> {
        Expected {
            tiling: self.facts.tiles.tiling(),
            values: self.facts.tiles.values(),
            root: self.facts.tiles.root(),
            tensors: &self.facts.tensors,
        }
    }

    /// Slow pages are measured again, elsewhere in the page: only one that is slow each time is slow.
    fn latency(&self, watch: Watch<'_>) -> Result<Option<Latency>, VramError> {
        let scale = self.facts.scale;
        let mut fewest: Option<PageCycles> = None;
        for _ in 0..self.facts.policy.tries_max.max(1) {
            let mut seed = [0; 4];
            self_test::fill(&mut seed)?;
            let seed = u32::from_le_bytes(seed);
            let Some(pages) = self.with_memory(watch, |memory| memory.latency(seed))? else {
                return Ok(None);
            };
            let pages = match &fewest {
                Some(before) => latency::fewest(pages, before),
                None => pages,
            };
            let slow = latency::summary(&pages, scale).slow_pages_count;
            fewest = Some(pages);
            if slow == 0 {
                break;
            }
        }
        Ok(fewest.map(|pages| latency::summary(&pages, scale)))
    }

    fn content(&self, level: &Level, watch: Watch<'_>) -> Result<Found, VramError> {
        let slice = slice_tiles(self.gpu.device());
        let runs = match level {
            Level::Quick => Vec::new(),
            Level::Sample(fraction) => sampling::runs(self.expected().tiling, *fraction, slice)?,
            Level::Full | Level::Challenge(_) => sampling::all(self.expected().tiling, slice),
        };
        let tries_max = self.facts.policy.tries_max.max(1);
        let mut best: Option<Found> = None;
        for tries in 1..=tries_max {
            let mut found = self.tour(level, &runs, watch)?;
            found.tries = tries;
            if let Some(before) = best
                && before.compared.wall_seconds < found.compared.wall_seconds
            {
                found.compared.wall_seconds = before.compared.wall_seconds;
                found.compared.device_seconds = before.compared.device_seconds;
            }
            found.slow = self.is_slow(&found.compared);
            let settled = !self.wants_another(&found);
            best = Some(found);
            if settled {
                break;
            }
        }
        best.ok_or_else(|| VramError::new(Code::Internal, "a check tried nothing"))
    }

    fn tour(
        &self,
        level: &Level,
        runs: &[(u64, u64)],
        watch: Watch<'_>,
    ) -> Result<Found, VramError> {
        let mut comparison = Comparison::new(self.expected(), watch.clock);
        if let Level::Challenge(nonce) = level {
            comparison = comparison.under(nonce);
        }
        for &(first, tiles) in runs {
            self.with_memory(watch, |memory| comparison.slice(memory, first, tiles))?;
        }
        let (compared, mac) = comparison.finish();
        Ok(Found {
            compared,
            freshness: freshness(level, mac),
            tries: 1,
            slow: false,
        })
    }

    /// Wrong content is wrong at once; a slow or weak measurement may have met a busy device.
    fn wants_another(&self, found: &Found) -> bool {
        let content = &found.compared.content;
        let weak = self
            .facts
            .policy
            .resident_fraction_min
            .is_some_and(|wanted| {
                self.resident_fraction_min(&found.compared)
                    .is_some_and(|shown| shown < wanted)
            });
        content.bad_tiles_count == 0 && (found.slow || weak)
    }

    /// Only a check of every tile has something to be compared with.
    fn is_slow(&self, compared: &Compared) -> bool {
        let all = compared.content.bytes_checked == compared.content.bytes_total;
        self.facts.calibrated_seconds.is_some_and(|calibrated| {
            all && compared.wall_seconds > calibrated * self.facts.policy.slow_factor
        })
    }

    fn resident_fraction_min(&self, compared: &Compared) -> Option<f64> {
        let device = self.gpu.device();
        let link = device.link.as_ref()?;
        let cache = device.cache_bytes.unwrap_or(0);
        let bytes = compared.content.bytes_checked;
        (bytes > 0)
            .then(|| timing::resident_fraction_min(bytes, compared.wall_seconds, link, cache))
    }

    fn evidence(
        &self,
        level: &Level,
        accounting: Accounting,
        placement: Placement,
        latency: Option<Latency>,
        found: Found,
    ) -> Evidence {
        let compared = found.compared;
        let timing = Timing {
            wall_seconds: compared.wall_seconds,
            device_seconds: compared.device_seconds,
            bytes_per_second: compared.bytes_per_second(),
            calibrated_seconds: self.facts.calibrated_seconds,
            tries: found.tries,
            resident_fraction_min: self.resident_fraction_min(&compared),
            paged_in: timing::paged_in(compared.wall_seconds, compared.device_seconds),
            latency,
        };
        let seen = Seen {
            level,
            accounting: &accounting,
            placement: &placement,
            content: &compared.content,
            timing: &timing,
            slow: found.slow,
        };
        let (verdict, reasons) = judge(&self.baseline(), &seen);
        Evidence {
            level: level.clone(),
            verdict,
            reasons,
            device: self.gpu.device().uuid,
            kernel: self.gpu.kernel().clone(),
            accounting,
            placement,
            content: compared.content,
            timing,
            freshness: found.freshness,
            at_unix_ms: unix_ms(),
        }
    }

    /// The keyed digest of what is on the device now.
    pub(crate) fn keyed_root(
        &self,
        nonce: &[u8; 32],
        watch: Watch<'_>,
    ) -> Result<[u8; 32], VramError> {
        let tiling = self.facts.tiles.tiling();
        let slice = slice_tiles(self.gpu.device());
        let root = self.with_memory(watch, |memory| memory.root(tiling, Some(*nonce), slice));
        root.map(|root| *root.as_bytes())
            .map_err(|error| error.on(self.gpu.device().uuid))
    }

    pub(crate) fn book_entry(&self, watch: Watch<'_>) -> Result<BookEntry, VramError> {
        let mut nonce = [0; 32];
        self_test::fill(&mut nonce)?;
        Ok(BookEntry {
            nonce,
            answer: self.keyed_root(&nonce, watch)?,
        })
    }

    fn baseline(&self) -> Baseline<'_> {
        Baseline {
            device: self.gpu.device(),
            policy: &self.facts.policy,
            access: self.facts.access,
            allocation_id: self.facts.allocation_id,
            ecc_uncorrected: self.facts.ecc_uncorrected,
        }
    }

    /// Evidence of content that was compared piece by piece, as a scrub does.
    pub(crate) fn evidence_of(
        &self,
        compared: Compared,
        watch: Watch<'_>,
    ) -> Result<Evidence, VramError> {
        let accounting = self.gpu.usage()?;
        let placement = self.with_memory(watch, |memory| memory.placement())?;
        let latency = self.latency(watch)?;
        let found = Found {
            compared,
            freshness: Freshness::default(),
            tries: 1,
            slow: false,
        };
        Ok(self.evidence(&Level::Full, accounting, placement, latency, found))
    }
}

fn freshness(level: &Level, mac: Option<[u8; 32]>) -> Freshness {
    match level {
        Level::Challenge(nonce) => Freshness {
            method: FreshnessMethod::FreshMac,
            nonce: Some(*nonce),
            response: mac,
        },
        _ => Freshness::default(),
    }
}

pub(crate) fn disposed() -> VramError {
    VramError::new(
        Code::HandleStale,
        "the shard was disposed of, or never was: seal the model again",
    )
}

/// Milliseconds since 1970 by the system's clock, which may be wrong.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
