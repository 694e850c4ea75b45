//! The known-answer test that every device passes before it is used: fresh random data, so that no
//! kernel can have the answers prepared, wherever it came from.

use crate::{Code, Gpu, HashJob, Memory, RootJob, VramError};
use digest::{TILE_BYTES, TileValue, Tiling};

/// Two full tiles, and one whose last chunk and last block are cut.
const BYTES: u64 = 2 * TILE_BYTES + 5 * 1024 + 77;

/// Lengths that are one tile, and so the root itself: a block, a cut block, chunks, a full tile.
const ROOTS: [u64; 5] = [64, 77, 1024, 3 * 1024 + 1, TILE_BYTES];

/// Hashes random bytes on the device in every way that is used later, and compares with the processor.
pub(crate) fn run(gpu: &dyn Gpu) -> Result<(), VramError> {
    let mut data = vec![0; usize::try_from(BYTES).unwrap_or(0)];
    let mut key = [0; 32];
    fill(&mut data)?;
    fill(&mut key)?;
    let mut memory = gpu.allocate(BYTES)?;
    let tested = test(&mut *memory, &data, key);
    let released = memory.release();
    tested.and(released.map(drop))
}

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), VramError> {
    getrandom::fill(bytes)
        .map_err(|_| VramError::new(Code::Internal, "the system gave no randomness"))
}

fn test(memory: &mut dyn Memory, data: &[u8], key: [u8; 32]) -> Result<(), VramError> {
    memory.upload(0, data)?;
    memory.flush()?;
    for key in [None, Some(key)] {
        let tiling = Tiling::of(BYTES);
        run_of_tiles(memory, data, tiling, 0, key)?;
        // The chunks' numbers must go on from where the run starts.
        run_of_tiles(memory, data, tiling, 1, key)?;
        for length in ROOTS {
            run_of_tiles(memory, data, Tiling::of(length), 0, key)?;
        }
        root(memory, data, tiling, key)?;
    }
    Ok(())
}

fn run_of_tiles(
    memory: &mut dyn Memory,
    data: &[u8],
    tiling: Tiling,
    first: u64,
    key: Option<[u8; 32]>,
) -> Result<(), VramError> {
    let tiles = tiling.tiles() - first;
    let job = HashJob {
        tiling,
        first,
        tiles,
        key,
    };
    let values = memory.hash(&job)?.values;
    let expected: Option<Vec<TileValue>> = (first..tiling.tiles())
        .map(|index| value(tiling, index, data, key))
        .collect();
    same(expected.is_some_and(|expected| expected == values))
}

fn value(tiling: Tiling, index: u64, data: &[u8], key: Option<[u8; 32]>) -> Option<TileValue> {
    let range = tiling.range(index)?;
    let bytes = data.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)?;
    match &key {
        Some(key) => tiling.keyed_value(index, bytes, key).ok(),
        None => tiling.value(index, bytes).ok(),
    }
}

fn root(
    memory: &mut dyn Memory,
    data: &[u8],
    tiling: Tiling,
    key: Option<[u8; 32]>,
) -> Result<(), VramError> {
    let root = memory.root(&RootJob::of(tiling, key, 2))?;
    let expected = match &key {
        Some(key) => blake3::keyed_hash(key, data),
        None => blake3::hash(data),
    };
    same(expected.as_bytes() == root.as_bytes())
}

fn same(same: bool) -> Result<(), VramError> {
    if same {
        return Ok(());
    }
    let message = "the device computed a wrong digest of known bytes: it, its driver or a compiled kernel in the driver's cache is at fault, and it is not used";
    Err(VramError::new(Code::SelfTestFailed, message))
}
