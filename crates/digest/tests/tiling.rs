//! Tiles against the whole: whatever the length and the order, the root is the digest of all bytes.

#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

use digest::{Blake3Digest, TILE_BYTES, TileValue, Tiling, TilingError};
use proptest::prelude::*;

const TILE: usize = TILE_BYTES as usize;

/// The input of BLAKE3's own test vectors.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

fn values(bytes: &[u8]) -> Vec<TileValue> {
    let tiling = Tiling::of(bytes.len() as u64);
    let tile = |index: u64| {
        let range = tiling.range(index).unwrap();
        tiling
            .value(index, &bytes[range.start as usize..range.end as usize])
            .unwrap()
    };
    (0..tiling.tiles()).map(tile).collect()
}

fn by_tiles(bytes: &[u8]) -> Blake3Digest {
    Tiling::of(bytes.len() as u64).root(&values(bytes)).unwrap()
}

fn whole(bytes: &[u8]) -> Blake3Digest {
    (*blake3::hash(bytes).as_bytes()).into()
}

#[test]
fn known_answers() {
    let answers = [
        (
            0,
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        ),
        (
            1,
            "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
        ),
        (
            1024,
            "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
        ),
    ];
    for (len, digest) in answers {
        assert_eq!(by_tiles(&pattern(len)).to_string(), digest);
    }
}

#[test]
fn every_count_of_tiles_up_to_twenty_at_its_edges() {
    let bytes = pattern(20 * TILE + 1);
    for tiles in 1..=20 {
        for len in [tiles * TILE - 1, tiles * TILE, tiles * TILE + 1] {
            assert_eq!(by_tiles(&bytes[..len]), whole(&bytes[..len]), "{len} bytes");
        }
    }
}

#[test]
fn chunk_edges_within_the_last_tile() {
    let bytes = pattern(2 * TILE);
    for len in [
        0,
        1,
        1023,
        1024,
        1025,
        2048,
        2049,
        TILE + 1,
        TILE + 1023,
        TILE + 1024,
        TILE + 1025,
    ] {
        assert_eq!(by_tiles(&bytes[..len]), whole(&bytes[..len]), "{len} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_flipped_bit_moves_its_tile_and_no_other(len in 1..5 * TILE, at in any::<prop::sample::Index>(), bit in 0..8u32) {
        let mut bytes = pattern(len);
        let before = values(&bytes);
        let place = at.index(len);
        bytes[place] ^= 1u8 << bit;
        let after = values(&bytes);
        let moved: Vec<usize> = (0..before.len()).filter(|&i| before[i] != after[i]).collect();
        prop_assert_eq!(moved, vec![place / TILE]);
        prop_assert_eq!(by_tiles(&bytes), whole(&bytes));
    }
}

#[test]
fn two_swapped_tiles_are_not_the_same_file() {
    let bytes = vec![7; 4 * TILE];
    let values = values(&bytes);
    // Equal bytes at different places have different values: a tile cannot stand for another.
    assert!((1..4).all(|i| values[i] != values[0]));
}

#[test]
fn what_does_not_fit_the_tiling_is_refused() {
    let tiling = Tiling::of(TILE_BYTES + 5);
    assert_eq!(
        (tiling.tiles(), tiling.range(1), tiling.range(2)),
        (2, Some(TILE_BYTES..TILE_BYTES + 5), None)
    );
    assert_eq!(
        tiling.value(2, &[]),
        Err(TilingError::NoSuchTile { index: 2 })
    );
    assert_eq!(
        tiling.value(1, &[0; 4]),
        Err(TilingError::TileLength { index: 1, bytes: 4 })
    );
    assert_eq!(
        tiling.root(&[]),
        Err(TilingError::TileCount {
            values: 0,
            tiles: 2
        })
    );
    assert_eq!(
        Tiling::of(u64::MAX)
            .range(Tiling::of(u64::MAX).tiles() - 1)
            .unwrap()
            .end,
        u64::MAX
    );
}

#[test]
fn keyed_tiles_make_the_keyed_digest_of_all_bytes() {
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    for len in [
        0,
        1,
        1024,
        TILE - 1,
        TILE,
        TILE + 1,
        3 * TILE + 77,
        5 * TILE,
    ] {
        let bytes = pattern(len);
        let tiling = Tiling::of(len as u64);
        let tile = |index: u64| {
            let range = tiling.range(index).unwrap();
            let bytes = &bytes[range.start as usize..range.end as usize];
            tiling.keyed_value(index, bytes, &key).unwrap()
        };
        let values: Vec<TileValue> = (0..tiling.tiles()).map(tile).collect();
        let expected = *blake3::keyed_hash(&key, &bytes).as_bytes();
        assert_eq!(tiling.keyed_root(&values, &key).unwrap(), expected.into());
    }
}
