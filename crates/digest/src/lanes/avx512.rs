//! Sixteen streams in the 16 lanes of AVX-512 registers: word `i` of all streams in one register.

#![allow(
    clippy::indexing_slicing,
    clippy::large_types_passed_by_value,
    clippy::many_single_char_names,
    clippy::needless_range_loop,
    reason = "registers in arrays of constant length, under the names that FIPS 180-4 gives them"
)]

use super::constants::ROUNDS;
use super::{Block, State};
use std::arch::x86_64::{
    __m512i, _mm_extract_epi32, _mm512_add_epi32, _mm512_extracti32x4_epi32, _mm512_ror_epi32,
    _mm512_set_epi32, _mm512_set_epi64, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_ternarylogic_epi32,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

/// Streams at once.
pub(super) const LANES: usize = 16;

const XOR3: i32 = 0x96;
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

/// Takes the blocks; where one stream has more than another, the rest is left out.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn compress(states: &mut [State; LANES], blocks: [&[Block]; LANES]) {
    let mut state = [_mm512_setzero_si512(); 8];
    for (word, of_all) in state.iter_mut().enumerate() {
        *of_all = gather(std::array::from_fn(|lane| states[lane][word]));
    }
    let count = blocks.iter().map(|of| of.len()).min().unwrap_or(0);
    for at in 0..count {
        let words = load(std::array::from_fn(|lane| &blocks[lane][at]));
        let after = rounds(state, words);
        for (word, new) in state.iter_mut().zip(after) {
            *word = _mm512_add_epi32(*word, new);
        }
    }
    for (word, of_all) in state.iter().enumerate() {
        for (lane, value) in scattered(*of_all).into_iter().enumerate() {
            states[lane][word] = value;
        }
    }
}

/// All 64 rounds of one block of each stream. The schedule is a ring of 16 words.
#[inline]
#[target_feature(enable = "avx512f")]
fn rounds(mut state: [__m512i; 8], mut words: [__m512i; 16]) -> [__m512i; 8] {
    for (row, constants) in ROUNDS.iter().enumerate() {
        for (column, constant) in constants.iter().enumerate() {
            let at = 4 * row + column;
            if row >= 4 {
                words[at % 16] = extended(&words, at);
            }
            state = round(state, words[at % 16], constant.cast_signed());
        }
    }
    state
}

#[inline]
#[target_feature(enable = "avx512f")]
fn extended(words: &[__m512i; 16], at: usize) -> __m512i {
    let (w15, w2) = (words[(at + 1) % 16], words[(at + 14) % 16]);
    let s0 = xor3(
        _mm512_ror_epi32::<7>(w15),
        _mm512_ror_epi32::<18>(w15),
        _mm512_srli_epi32::<3>(w15),
    );
    let s1 = xor3(
        _mm512_ror_epi32::<17>(w2),
        _mm512_ror_epi32::<19>(w2),
        _mm512_srli_epi32::<10>(w2),
    );
    add(add(words[at % 16], s0), add(words[(at + 9) % 16], s1))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn round([a, b, c, d, e, f, g, h]: [__m512i; 8], word: __m512i, constant: i32) -> [__m512i; 8] {
    let s1 = xor3(
        _mm512_ror_epi32::<6>(e),
        _mm512_ror_epi32::<11>(e),
        _mm512_ror_epi32::<25>(e),
    );
    let choice = _mm512_ternarylogic_epi32::<CHOOSE>(e, f, g);
    let t1 = add(
        add(add(h, _mm512_set1_epi32(constant)), add(word, s1)),
        choice,
    );
    let s0 = xor3(
        _mm512_ror_epi32::<2>(a),
        _mm512_ror_epi32::<13>(a),
        _mm512_ror_epi32::<22>(a),
    );
    let majority = _mm512_ternarylogic_epi32::<MAJORITY>(a, b, c);
    [add(t1, add(s0, majority)), a, b, c, add(d, t1), e, f, g]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<XOR3>(a, b, c)
}

/// Word `i` of all blocks in register `i`, from big-endian bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(blocks: [&Block; LANES]) -> [__m512i; 16] {
    transposed(blocks.map(|block| row(block)))
}

/// One block's 16 words in one register.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn row(block: &Block) -> __m512i {
    let mut halves = [0; 8];
    for (half, bytes) in halves.iter_mut().zip(block.as_chunks::<8>().0) {
        *half = i64::from_le_bytes(*bytes);
    }
    let [a, b, c, d, e, f, g, h] = halves;
    let (high, low) = (0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let swap = _mm512_set_epi64(high, low, high, low, high, low, high, low);
    _mm512_shuffle_epi8(_mm512_set_epi64(h, g, f, e, d, c, b, a), swap)
}

/// Rows become columns: first within quarters of 128 bits, then the quarters among themselves.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(rows: [__m512i; 16]) -> [__m512i; 16] {
    let mut quarters = [_mm512_setzero_si512(); 16];
    for four in 0..4 {
        let at = 4 * four;
        let (low, high) = (
            _mm512_unpacklo_epi32(rows[at], rows[at + 1]),
            _mm512_unpackhi_epi32(rows[at], rows[at + 1]),
        );
        let (low2, high2) = (
            _mm512_unpacklo_epi32(rows[at + 2], rows[at + 3]),
            _mm512_unpackhi_epi32(rows[at + 2], rows[at + 3]),
        );
        quarters[at] = _mm512_unpacklo_epi64(low, low2);
        quarters[at + 1] = _mm512_unpackhi_epi64(low, low2);
        quarters[at + 2] = _mm512_unpacklo_epi64(high, high2);
        quarters[at + 3] = _mm512_unpackhi_epi64(high, high2);
    }
    let mut columns = quarters;
    for j in 0..4 {
        let (a, b, c, d) = (
            quarters[j],
            quarters[4 + j],
            quarters[8 + j],
            quarters[12 + j],
        );
        let (ab_low, ab_high) = (
            _mm512_shuffle_i32x4::<0x44>(a, b),
            _mm512_shuffle_i32x4::<0xee>(a, b),
        );
        let (cd_low, cd_high) = (
            _mm512_shuffle_i32x4::<0x44>(c, d),
            _mm512_shuffle_i32x4::<0xee>(c, d),
        );
        columns[j] = _mm512_shuffle_i32x4::<0x88>(ab_low, cd_low);
        columns[4 + j] = _mm512_shuffle_i32x4::<0xdd>(ab_low, cd_low);
        columns[8 + j] = _mm512_shuffle_i32x4::<0x88>(ab_high, cd_high);
        columns[12 + j] = _mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high);
    }
    columns
}

#[inline]
#[target_feature(enable = "avx512f")]
fn gather(lanes: [u32; LANES]) -> __m512i {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = lanes.map(u32::cast_signed);
    _mm512_set_epi32(p, o, n, m, l, k, j, i, h, g, f, e, d, c, b, a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn scattered(of_all: __m512i) -> [u32; LANES] {
    let quarters = [
        _mm512_extracti32x4_epi32::<0>(of_all),
        _mm512_extracti32x4_epi32::<1>(of_all),
        _mm512_extracti32x4_epi32::<2>(of_all),
        _mm512_extracti32x4_epi32::<3>(of_all),
    ];
    let mut lanes = [0; LANES];
    for (quarter, four) in quarters.into_iter().zip(lanes.as_chunks_mut::<4>().0) {
        *four = [
            _mm_extract_epi32::<0>(quarter),
            _mm_extract_epi32::<1>(quarter),
            _mm_extract_epi32::<2>(quarter),
            _mm_extract_epi32::<3>(quarter),
        ]
        .map(i32::cast_unsigned);
    }
    lanes
}
