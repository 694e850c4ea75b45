//! The device's digests against the processor's.

use crate::random::Random;
use crate::{Outcome, open, say, upload};
use digest::{TILE_BYTES, TileValue, Tiling};
use vram::{HashJob, Memory, RootJob, VramError};

/// Every length at which something changes, and random ones; plain and keyed; each tile alone as well.
pub(crate) fn lengths(seed: u64) -> Outcome {
    const SMALL: [u64; 17] = [
        0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1023, 1088,
    ];
    let gpu = open()?;
    let mut random = Random::from(seed);
    let chunks = [1, 2, 3, 4, 5, 127, 128, 129, 255, 256, 257].map(|chunks| chunks * 1024);
    let tiles = [2, 3, 4, 5, 7, 8, 9].map(|tiles| tiles * TILE_BYTES);
    let edges = chunks.into_iter().chain(tiles).flat_map(around);
    let mut all: Vec<u64> = SMALL.into_iter().chain(edges).collect();
    all.extend((0..40).map(|_| random.below(6 * TILE_BYTES)));
    let largest = all.iter().copied().max().unwrap();
    let data = random.bytes(largest);
    let key: [u8; 32] = random.bytes(32).try_into().unwrap();
    let mut memory = gpu.allocate(largest)?;
    upload(&mut *memory, &data)?;
    for &length in &all {
        let message = &data[..usize::try_from(length).unwrap()];
        compare(&mut *memory, message, None)?;
        compare(&mut *memory, message, Some(key))?;
    }
    say("lengths", all.len());
    memory.release().map(drop)
}

fn around(length: u64) -> [u64; 5] {
    [length - 64, length - 1, length, length + 1, length + 64]
}

/// The device's values against the processor's, and its root against the digest of it all.
pub(crate) fn compare(memory: &mut dyn Memory, message: &[u8], key: Option<[u8; 32]>) -> Outcome {
    let length = message.len();
    let tiling = Tiling::of(length as u64);
    let expected = expected(message, key);
    assert_eq!(
        hash(memory, tiling, 0, tiling.tiles(), key)?,
        expected,
        "{length} bytes"
    );
    for (first, value) in (0..).zip(&expected) {
        let alone = hash(memory, tiling, first, 1, key)?;
        assert_eq!(alone, [*value], "tile {first} of {length} bytes");
    }
    let whole = match &key {
        Some(key) => blake3::keyed_hash(key, message),
        None => blake3::hash(message),
    };
    for slice in [1, 3, u64::MAX] {
        let root = memory.root(&RootJob::of(tiling, key, slice))?;
        assert_eq!(
            root.as_bytes(),
            whole.as_bytes(),
            "{length} bytes by {slice} tiles"
        );
    }
    Ok(())
}

pub(crate) fn hash(
    memory: &mut dyn Memory,
    tiling: Tiling,
    first: u64,
    tiles: u64,
    key: Option<[u8; 32]>,
) -> Result<Vec<TileValue>, VramError> {
    let job = HashJob {
        tiling,
        first,
        tiles,
        key,
    };
    Ok(memory.hash(&job)?.values)
}

pub(crate) fn expected(message: &[u8], key: Option<[u8; 32]>) -> Vec<TileValue> {
    let tiling = Tiling::of(message.len() as u64);
    let tile = |index| {
        let range = tiling.range(index).unwrap();
        let at = |offset| usize::try_from(offset).unwrap();
        let bytes = &message[at(range.start)..at(range.end)];
        match &key {
            Some(key) => tiling.keyed_value(index, bytes, key).unwrap(),
            None => tiling.value(index, bytes).unwrap(),
        }
    };
    (0..tiling.tiles()).map(tile).collect()
}
