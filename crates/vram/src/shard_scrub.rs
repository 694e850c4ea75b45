//! The scrub of one shard: every tile again and again, in steps, at a small part of the device's time.

use crate::check::Found;
use crate::comparison::{Compared, Comparison, slice_tiles};
use crate::shard::{Shard, Watch};
use crate::{Clock, Code, Content, Evidence, Level, ScrubStep, VramError};
use std::sync::Arc;
use std::time::Duration;
use verify::Control;

/// Tiles of the first slice, 1 MiB. Slices grow while they are short beside the budget, whatever the
/// device's speed, and shrink where they are long.
const SLICE_TILES_FIRST: u64 = 4;

/// A slice that takes less than this part of the budget is followed by a longer one.
const SHORT: u32 = 16;
/// A slice that takes more than this part of it is followed by a shorter one.
const LONG: u32 = 4;

/// Goes over the tiles of one shard. It does nothing by itself: who has it takes its steps.
pub(crate) struct ShardScrub {
    shard: Arc<Shard>,
    clock: Arc<dyn Clock>,
    duty: f64,
    next: u64,
    slice_tiles: u64,
    passes: u64,
    /// Of the pass that is under way.
    found: Compared,
}

impl ShardScrub {
    pub(crate) fn new(
        shard: Arc<Shard>,
        clock: Arc<dyn Clock>,
        duty: f64,
    ) -> Result<Self, VramError> {
        if !(duty > 0.0 && duty <= 1.0) {
            let message = "a scrub's duty cycle must be more than 0 and at most 1";
            return Err(VramError::new(Code::BadRange, message));
        }
        let found = nothing(&shard);
        Ok(Self {
            shard,
            clock,
            duty,
            next: 0,
            slice_tiles: SLICE_TILES_FIRST,
            passes: 0,
            found,
        })
    }

    /// Checks slices until the budget is used up, the pass is done, or a tile is wrong; at least one
    /// slice.
    ///
    /// # Errors
    /// As [`crate::Vault::verify`].
    pub(crate) fn step(
        &mut self,
        budget: Duration,
        control: &Control,
    ) -> Result<ScrubStep, VramError> {
        let clock = self.clock.clone();
        let watch = Watch {
            clock: &*clock,
            control,
        };
        let started = clock.now();
        let took = || clock.now().saturating_sub(started);
        let bytes_before = self.found.content.bytes_checked;
        let tiles = self.shard.facts.tiles.tiling().tiles();
        let bad_before = self.found.content.bad_tiles_count;
        loop {
            self.slice(budget, watch)?;
            let bad = self.found.content.bad_tiles_count > bad_before;
            if self.next >= tiles || bad || took() >= budget {
                break;
            }
        }
        let bytes = self.found.content.bytes_checked - bytes_before;
        let evidence = self.conclude(tiles, bad_before, watch)?;
        let took = took();
        Ok(ScrubStep {
            bytes,
            seconds: took.as_secs_f64(),
            rest: took.mul_f64(1.0 / self.duty - 1.0),
            coverage: crate::timing::as_f64(self.next) / crate::timing::as_f64(tiles),
            passes: self.passes,
            evidence,
        })
    }

    /// How often all tiles were gone over.
    pub(crate) fn passes(&self) -> u64 {
        self.passes
    }

    fn slice(&mut self, budget: Duration, watch: Watch<'_>) -> Result<(), VramError> {
        let before = watch.clock.now();
        let tiling = self.shard.facts.tiles.tiling();
        let count = self.slice_tiles.min(tiling.tiles() - self.next);
        let mut comparison = Comparison::new(self.shard.expected(), watch.clock);
        let first = self.next;
        self.shard
            .with_memory(watch, |memory| comparison.slice(memory, first, count))?;
        self.next += count;
        add(&mut self.found, comparison.finish().0);
        let took = watch.clock.now().saturating_sub(before);
        if took < budget / SHORT {
            self.slice_tiles = (self.slice_tiles * 2).min(slice_tiles(self.shard.gpu.device()));
        } else if took > budget / LONG {
            self.slice_tiles = (self.slice_tiles / 2).max(1);
        }
        Ok(())
    }

    /// Evidence, where there is something to tell; a completed pass makes room for the next.
    fn conclude(
        &mut self,
        tiles: u64,
        bad_before: u64,
        watch: Watch<'_>,
    ) -> Result<Option<Evidence>, VramError> {
        let done = self.next >= tiles;
        if !done && self.found.content.bad_tiles_count == bad_before {
            return Ok(None);
        }
        let mut found = self.found.clone();
        if done {
            self.found = nothing(&self.shard);
            self.next = 0;
            self.passes += 1;
            if found.content.bad_tiles_count == 0 {
                found.content.root = Some(self.shard.facts.tiles.root());
            }
        }
        let found = Found::of(found);
        self.shard.evidence_of(&Level::Full, found, watch).map(Some)
    }
}

fn nothing(shard: &Shard) -> Compared {
    Compared {
        content: Content {
            bytes_total: shard.facts.tiles.tiling().bytes_total(),
            ..Content::default()
        },
        wall_seconds: 0.0,
        device_seconds: Some(0.0),
    }
}

fn add(sum: &mut Compared, more: Compared) {
    sum.wall_seconds += more.wall_seconds;
    let both = sum.device_seconds.zip(more.device_seconds);
    sum.device_seconds = both.map(|(a, b)| a + b);
    let (into, from) = (&mut sum.content, more.content);
    into.bytes_checked += from.bytes_checked;
    into.tiles_checked += from.tiles_checked;
    let named = from.bad_tiles.len() as u64;
    into.bad_tiles_count += from.bad_tiles_count.saturating_sub(named);
    from.bad_tiles
        .into_iter()
        .for_each(|tile| into.note_bad(tile));
}
