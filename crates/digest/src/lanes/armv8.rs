//! `N` streams interleaved over the `ARMv8` SHA instructions: the twin of `sha_ni.rs` for the other family of CPUs.

#![allow(
    clippy::indexing_slicing,
    clippy::many_single_char_names,
    clippy::needless_range_loop,
    reason = "every index is below a constant length; the checks are optimized away, and loops over lanes are the point"
)]

use super::constants::ROUNDS;
use super::{Block, State};
use std::arch::aarch64::{
    uint32x4_t, vaddq_u32, vcombine_u32, vcreate_u32, vgetq_lane_u32, vsha256h2q_u32,
    vsha256hq_u32, vsha256su0q_u32, vsha256su1q_u32,
};

/// A value of each stream.
type Each<const N: usize> = [uint32x4_t; N];

/// Takes the blocks; where one stream has more than another, the rest is left out.
#[target_feature(enable = "neon,sha2")]
pub(super) fn compress<const N: usize>(states: &mut [State; N], blocks: [&[Block]; N]) {
    let mut abcd = [quad([0; 4]); N];
    let mut efgh = abcd;
    for lane in 0..N {
        let [a, b, c, d, e, f, g, h] = states[lane];
        (abcd[lane], efgh[lane]) = (quad([a, b, c, d]), quad([e, f, g, h]));
    }
    let count = blocks.iter().map(|of| of.len()).min().unwrap_or(0);
    for at in 0..count {
        let (abcd_before, efgh_before) = (abcd, efgh);
        rounds(&mut abcd, &mut efgh, |lane| &blocks[lane][at]);
        for lane in 0..N {
            abcd[lane] = vaddq_u32(abcd[lane], abcd_before[lane]);
            efgh[lane] = vaddq_u32(efgh[lane], efgh_before[lane]);
        }
    }
    for lane in 0..N {
        let ([a, b, c, d], [e, f, g, h]) = (words(abcd[lane]), words(efgh[lane]));
        states[lane] = [a, b, c, d, e, f, g, h];
    }
}

/// All 64 rounds of one block of each stream. The schedule holds 16 words in four registers a stream.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn rounds<'a, const N: usize>(
    abcd: &mut Each<N>,
    efgh: &mut Each<N>,
    block: impl Fn(usize) -> &'a Block,
) {
    let mut schedule = [[quad([0; 4]); N]; 4];
    for lane in 0..N {
        let loaded = load(block(lane));
        for quarter in 0..4 {
            schedule[quarter][lane] = loaded[quarter];
        }
    }
    let [mut w0, mut w1, mut w2, mut w3] = schedule;
    for row in 0..3 {
        four_rounds(abcd, efgh, &w0, 4 * row);
        extend(&mut w0, &w1, &w2, &w3);
        four_rounds(abcd, efgh, &w1, 4 * row + 1);
        extend(&mut w1, &w2, &w3, &w0);
        four_rounds(abcd, efgh, &w2, 4 * row + 2);
        extend(&mut w2, &w3, &w0, &w1);
        four_rounds(abcd, efgh, &w3, 4 * row + 3);
        extend(&mut w3, &w0, &w1, &w2);
    }
    four_rounds(abcd, efgh, &w0, 12);
    four_rounds(abcd, efgh, &w1, 13);
    four_rounds(abcd, efgh, &w2, 14);
    four_rounds(abcd, efgh, &w3, 15);
}

#[inline]
#[target_feature(enable = "neon,sha2")]
fn four_rounds<const N: usize>(
    abcd: &mut Each<N>,
    efgh: &mut Each<N>,
    words: &Each<N>,
    row: usize,
) {
    let constants = quad(ROUNDS[row]);
    for lane in 0..N {
        let sum = vaddq_u32(words[lane], constants);
        let before = abcd[lane];
        abcd[lane] = vsha256hq_u32(before, efgh[lane], sum);
        efgh[lane] = vsha256h2q_u32(efgh[lane], before, sum);
    }
}

/// The next four words of the schedule, in the place of the oldest four.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn extend<const N: usize>(oldest: &mut Each<N>, next: &Each<N>, third: &Each<N>, newest: &Each<N>) {
    for lane in 0..N {
        let begun = vsha256su0q_u32(oldest[lane], next[lane]);
        oldest[lane] = vsha256su1q_u32(begun, third[lane], newest[lane]);
    }
}

/// The block's 16 words, which are big-endian.
#[inline]
#[target_feature(enable = "neon")]
fn load(block: &Block) -> [uint32x4_t; 4] {
    let mut quads = [quad([0; 4]); 4];
    for (to, bytes) in quads.iter_mut().zip(block.as_chunks::<16>().0) {
        let (words, _) = bytes.as_chunks::<4>();
        *to = quad([words[0], words[1], words[2], words[3]].map(u32::from_be_bytes));
    }
    quads
}

#[inline]
#[target_feature(enable = "neon")]
fn quad([a, b, c, d]: [u32; 4]) -> uint32x4_t {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    vcombine_u32(vcreate_u32(pair(a, b)), vcreate_u32(pair(c, d)))
}

#[inline]
#[target_feature(enable = "neon")]
fn words(quad: uint32x4_t) -> [u32; 4] {
    [
        vgetq_lane_u32::<0>(quad),
        vgetq_lane_u32::<1>(quad),
        vgetq_lane_u32::<2>(quad),
        vgetq_lane_u32::<3>(quad),
    ]
}
