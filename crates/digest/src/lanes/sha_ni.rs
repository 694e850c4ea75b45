//! `N` streams interleaved over the x86 SHA instructions: while one stream waits for its round, the
//! others have theirs. Each step is written once and done for every stream before the next.

#![allow(
    clippy::indexing_slicing,
    clippy::many_single_char_names,
    clippy::needless_range_loop,
    reason = "every index is below a constant length; the checks are optimized away, and loops over lanes are the point"
)]

use super::constants::ROUNDS;
use super::{Block, State};
use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
    _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32,
};

/// A value of each stream.
type Each<const N: usize> = [__m128i; N];

/// Takes the blocks; where one stream has more than another, the rest is left out. Twice the same
/// text, because what a function may use is part of it, and only this one's size decides on registers.
macro_rules! compress {
    ($name:ident, $features:literal) => {
        #[target_feature(enable = $features)]
        pub(super) fn $name<const N: usize>(states: &mut [State; N], blocks: [&[Block]; N]) {
            let mut abef = [_mm_setzero_si128(); N];
            let mut cdgh = abef;
            for lane in 0..N {
                (abef[lane], cdgh[lane]) = packed(&states[lane]);
            }
            let count = blocks.iter().map(|of| of.len()).min().unwrap_or(0);
            for at in 0..count {
                let (abef_before, cdgh_before) = (abef, cdgh);
                rounds(&mut abef, &mut cdgh, |lane| &blocks[lane][at]);
                for lane in 0..N {
                    abef[lane] = _mm_add_epi32(abef[lane], abef_before[lane]);
                    cdgh[lane] = _mm_add_epi32(cdgh[lane], cdgh_before[lane]);
                }
            }
            for lane in 0..N {
                states[lane] = unpacked(abef[lane], cdgh[lane]);
            }
        }
    };
}

compress!(compress, "sha,sse2,ssse3,sse4.1");
compress!(compress_wide, "sha,sse2,ssse3,sse4.1,avx512f,avx512vl");

/// All 64 rounds of one block of each stream. The schedule holds 16 words in four registers a stream.
#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn rounds<'a, const N: usize>(
    abef: &mut Each<N>,
    cdgh: &mut Each<N>,
    block: impl Fn(usize) -> &'a Block,
) {
    let mut words = [[_mm_setzero_si128(); N]; 4];
    for lane in 0..N {
        let loaded = load(block(lane));
        for quarter in 0..4 {
            words[quarter][lane] = loaded[quarter];
        }
    }
    let [mut w0, mut w1, mut w2, mut w3] = words;
    for quad in 0..3 {
        four_rounds(abef, cdgh, &w0, 4 * quad);
        extend(&mut w0, &w1, &w2, &w3);
        four_rounds(abef, cdgh, &w1, 4 * quad + 1);
        extend(&mut w1, &w2, &w3, &w0);
        four_rounds(abef, cdgh, &w2, 4 * quad + 2);
        extend(&mut w2, &w3, &w0, &w1);
        four_rounds(abef, cdgh, &w3, 4 * quad + 3);
        extend(&mut w3, &w0, &w1, &w2);
    }
    four_rounds(abef, cdgh, &w0, 12);
    four_rounds(abef, cdgh, &w1, 13);
    four_rounds(abef, cdgh, &w2, 14);
    four_rounds(abef, cdgh, &w3, 15);
}

#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn four_rounds<const N: usize>(
    abef: &mut Each<N>,
    cdgh: &mut Each<N>,
    words: &Each<N>,
    row: usize,
) {
    let [a, b, c, d] = ROUNDS[row].map(u32::cast_signed);
    let constants = _mm_set_epi32(d, c, b, a);
    for lane in 0..N {
        let sum = _mm_add_epi32(words[lane], constants);
        cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], sum);
        abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], _mm_shuffle_epi32::<0x0e>(sum));
    }
}

/// The next four words of the schedule, in the place of the oldest four.
#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn extend<const N: usize>(oldest: &mut Each<N>, next: &Each<N>, third: &Each<N>, newest: &Each<N>) {
    for lane in 0..N {
        let sum = _mm_add_epi32(
            _mm_sha256msg1_epu32(oldest[lane], next[lane]),
            _mm_alignr_epi8::<4>(newest[lane], third[lane]),
        );
        oldest[lane] = _mm_sha256msg2_epu32(sum, newest[lane]);
    }
}

/// The block's 16 words, which are big-endian.
#[inline]
#[target_feature(enable = "sse2,ssse3")]
fn load(block: &Block) -> [__m128i; 4] {
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut words = [_mm_setzero_si128(); 4];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<16>().0) {
        let (halves, _) = bytes.as_chunks::<8>();
        let [low, high] = [halves[0], halves[1]].map(i64::from_le_bytes);
        *word = _mm_shuffle_epi8(_mm_set_epi64x(high, low), swap);
    }
    words
}

/// The order in which the instructions want the state's words.
#[inline]
#[target_feature(enable = "sse2")]
fn packed(state: &State) -> (__m128i, __m128i) {
    let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
    (_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h))
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn unpacked(abef: __m128i, cdgh: __m128i) -> State {
    [
        _mm_extract_epi32::<3>(abef),
        _mm_extract_epi32::<2>(abef),
        _mm_extract_epi32::<3>(cdgh),
        _mm_extract_epi32::<2>(cdgh),
        _mm_extract_epi32::<1>(abef),
        _mm_extract_epi32::<0>(abef),
        _mm_extract_epi32::<1>(cdgh),
        _mm_extract_epi32::<0>(cdgh),
    ]
    .map(i32::cast_unsigned)
}
