//! Checks of a sealed shard: what is looked at, how often, and the evidence that is made of it.

use crate::comparison::{Compared, Comparison, slice_tiles};
use crate::shard::{Shard, Watch, unix_ms};
use crate::verdict::{Baseline, Seen, judge};
use crate::{
    Accounting, Code, Evidence, Freshness, FreshnessMethod, Latency, Level, PageCycles, Placement,
    Timing, VramError, latency, sampling, self_test, timing,
};

/// What a check of content found, and how fresh it is.
pub(crate) struct Found {
    pub(crate) compared: Compared,
    pub(crate) freshness: Freshness,
    tries: u32,
    slow: bool,
    paged_in: bool,
}

/// What the pages' latencies showed.
#[derive(Default)]
struct Probed {
    latency: Option<Latency>,
    paged_in: bool,
}

impl Found {
    /// Found by one try, and proving nothing of its freshness.
    pub(crate) fn of(compared: Compared) -> Self {
        Self {
            freshness: Freshness::default(),
            tries: 1,
            slow: false,
            paged_in: timing::paged_in(compared.wall_seconds, compared.device_seconds),
            compared,
        }
    }

    /// The try that comes after another: the best time counts, and memory that was brought in for one of them.
    fn after(&mut self, before: &Self) {
        self.paged_in |= before.paged_in;
        if before.compared.wall_seconds < self.compared.wall_seconds {
            self.compared.wall_seconds = before.compared.wall_seconds;
            self.compared.device_seconds = before.compared.device_seconds;
        }
    }
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
        // The content first: whatever touches the memory first may have it brought in, and that is to be timed.
        let found = self.content(level, watch)?;
        let probed = self.latency(watch)?;
        Ok(self.evidence(level, accounting, placement, probed, found))
    }

    /// Evidence of content that was looked at in another way, such as piece by piece.
    pub(crate) fn evidence_of(
        &self,
        level: &Level,
        found: Found,
        watch: Watch<'_>,
    ) -> Result<Evidence, VramError> {
        let accounting = self.gpu.usage()?;
        let placement = self.with_memory(watch, |memory| memory.placement())?;
        let probed = self.latency(watch)?;
        Ok(self.evidence(level, accounting, placement, probed, found))
    }

    fn content(&self, level: &Level, watch: Watch<'_>) -> Result<Found, VramError> {
        let mut best: Option<Found> = None;
        for tries in 1..=self.facts.policy.tries_max.max(1) {
            let mut found = self.tour(level, watch)?;
            found.tries = tries;
            if let Some(before) = &best {
                found.after(before);
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

    fn tour(&self, level: &Level, watch: Watch<'_>) -> Result<Found, VramError> {
        let (tiling, slice) = (self.expected().tiling, slice_tiles(self.gpu.device()));
        match level {
            Level::Quick => self.tiles(&[], None, watch),
            Level::Sample(fraction) => {
                self.tiles(&sampling::runs(tiling, *fraction, slice)?, None, watch)
            }
            Level::Full => self.tiles(&sampling::all(tiling, slice), None, watch),
            Level::Challenge(nonce) => {
                self.tiles(&sampling::all(tiling, slice), Some(nonce), watch)
            }
            Level::Book { nonce, .. } => self.keyed(nonce, watch),
        }
    }

    fn tiles(
        &self,
        runs: &[(u64, u64)],
        nonce: Option<&[u8; 32]>,
        watch: Watch<'_>,
    ) -> Result<Found, VramError> {
        let mut comparison = Comparison::new(self.expected(), watch.clock);
        if let Some(nonce) = nonce {
            comparison = comparison.under(nonce);
        }
        for &(first, tiles) in runs {
            self.with_memory(watch, |memory| comparison.slice(memory, first, tiles))?;
        }
        let (compared, mac) = comparison.finish();
        Ok(Found {
            freshness: nonce.map_or_else(Freshness::default, |nonce| Freshness {
                method: FreshnessMethod::FreshMac,
                nonce: Some(*nonce),
                response: mac,
                expected: None,
            }),
            ..Found::of(compared)
        })
    }

    /// Slow pages are measured again, elsewhere in the page: only one that is slow each time is slow.
    fn latency(&self, watch: Watch<'_>) -> Result<Probed, VramError> {
        let scale = self.facts.scale;
        let mut fewest: Option<PageCycles> = None;
        let mut paged_in = false;
        for _ in 0..self.facts.policy.tries_max.max(1) {
            let mut seed = [0; 4];
            self_test::fill(&mut seed)?;
            let seed = u32::from_le_bytes(seed);
            let looked = self.with_memory(watch, |memory| {
                let before = watch.clock.now();
                let pages = memory.latency(seed)?;
                Ok((pages, watch.clock.now().saturating_sub(before)))
            })?;
            let (Some(pages), took) = looked else {
                return Ok(Probed::default());
            };
            paged_in |= timing::paged_in(took.as_secs_f64(), pages.device_seconds);
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
        Ok(Probed {
            latency: fewest.map(|pages| self.summary(&pages)),
            paged_in,
        })
    }

    /// Slow by the scale of the seal. Before that is an alarm, the scale is measured again: a busy device's
    /// own memory is slow too.
    fn summary(&self, pages: &PageCycles) -> Latency {
        let latency = latency::summary(pages, self.facts.scale);
        if latency.slow_pages_count == 0 {
            return latency;
        }
        match latency::scale(&*self.gpu) {
            Ok(scale @ Some(_)) => latency::summary(pages, scale),
            _ => latency,
        }
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
        probed: Probed,
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
            paged_in: found.paged_in || probed.paged_in,
            latency: probed.latency,
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
            parts: Vec::new(),
        }
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
}
