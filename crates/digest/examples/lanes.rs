//! GB/s of every way to hash, on one core with data in memory: `cargo run --release --example lanes`.
//! Prints one JSON object a line; each line's answer was checked.

#![allow(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measuring program"
)]

use digest::{Lanes, Sha256, Sha256Digest, TILE_BYTES, Tiling};
use std::time::Instant;

const MESSAGE_BYTES: usize = 1 << 20;
const ROUNDS: usize = 15;

fn main() {
    let bytes: Vec<u8> = (0..16_u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let messages: Vec<&[u8]> = bytes.chunks(MESSAGE_BYTES).collect();
    let expected: Vec<Sha256Digest> = messages.iter().map(|message| single(message)).collect();
    let lanes = Lanes::detect();
    report("sha256 one stream", MESSAGE_BYTES, || {
        assert_eq!(single(messages[0]), expected[0]);
    });
    for count in [2, 3, 4, 8, 16] {
        report(
            &format!("sha256 {count} streams"),
            count * MESSAGE_BYTES,
            || {
                assert_eq!(lanes.digests(&messages[..count]), expected[..count]);
            },
        );
    }
    let blocks: Vec<&[u8]> = bytes.chunks(4096).collect();
    report("sha256 of 4 KiB blocks", bytes.len(), || {
        assert_eq!(lanes.digests(&blocks).len(), blocks.len());
    });
    let tiling = Tiling::of(bytes.len() as u64);
    report("blake3 tiles", bytes.len(), || {
        let tiles = bytes
            .chunks(usize::try_from(TILE_BYTES).unwrap_or(usize::MAX))
            .zip(0..);
        let values: Vec<_> = tiles
            .filter_map(|(tile, index)| tiling.value(index, tile).ok())
            .collect();
        assert!(tiling.root(&values).is_ok());
    });
}

fn single(message: &[u8]) -> Sha256Digest {
    let mut sha256 = Sha256::new();
    sha256.update(message);
    sha256.finalize()
}

fn report(what: &str, bytes: usize, run: impl Fn()) {
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            run();
            bytes as f64 / started.elapsed().as_secs_f64() / 1e9
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    println!(
        "{{\"what\":\"{what}\",\"gbPerSecond\":{:.2}}}",
        rates[ROUNDS / 2]
    );
}
