//! How fast it is.

use crate::random::Random;
use crate::{Outcome, open, say, upload};
use digest::Tiling;
use std::time::Instant;
use vram::{HashJob, RootJob};

/// How fast whole passes are: the best of five by the clock, and what they cost the processors, which on
/// a busy machine says more.
pub(crate) fn speed(bytes: u64) -> Outcome {
    const PASSES: u32 = 5;
    let started = Instant::now();
    let gpu = open()?;
    say("open-seconds", started.elapsed().as_secs_f64());
    let data = Random::from(1).bytes(bytes);
    let mut memory = gpu.allocate(bytes)?;
    let started = Instant::now();
    upload(&mut *memory, &data)?;
    say("upload-seconds", started.elapsed().as_secs_f64());
    let tiling = Tiling::of(bytes);
    let job = HashJob {
        tiling,
        first: 0,
        tiles: tiling.tiles(),
        key: None,
    };
    let mut best = (f64::MAX, None);
    let cpu = cpu_seconds();
    for _ in 0..PASSES {
        let started = Instant::now();
        let run = memory.hash(&job)?;
        let seconds = started.elapsed().as_secs_f64();
        if seconds < best.0 {
            best = (seconds, run.device_seconds);
        }
    }
    say("cpu-seconds", (cpu_seconds() - cpu) / f64::from(PASSES));
    say("bytes", bytes);
    say("hash-seconds", best.0);
    say("device-seconds", best.1.unwrap_or(f64::NAN));
    let root = memory.root(&RootJob::of(tiling, None, job.tiles))?;
    assert_eq!(root.as_bytes(), blake3::hash(&data).as_bytes());
    memory.release().map(drop)
}

/// Of all threads, in user and kernel mode, as Linux counts them: in hundredths.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
