//! Both digests of one pass, against the whole file hashed at once.

#![cfg(target_os = "linux")]
#![allow(
    clippy::result_large_err,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod common;

use common::{Folder, ask, load, model, sha256};
use digest::Tiling;
use verify::{BytesPass, Control, Proving};

const TILE: usize = 256 * 1024;
const BLOCK: usize = 1 << 20;

/// Sizes about every edge: of a tile, of a block, of the ring.
fn sizes() -> Vec<usize> {
    let edges = [TILE, BLOCK, 2 * BLOCK, 8 * BLOCK, 9 * BLOCK];
    let around = edges
        .into_iter()
        .flat_map(|edge| [edge - 1, edge, edge + 1]);
    around.chain([128, 1_000, 12_345_678]).collect()
}

#[test]
fn a_file_of_every_size_has_both_digests_and_the_values_of_its_tiles() {
    let folder = Folder::new();
    let root = folder.root();
    for size in sizes() {
        let bytes = model(size);
        folder.file("m", &bytes);
        let verified = load(&root, "m").unwrap();
        assert_eq!(verified.sha256(), sha256(&bytes), "size {size}");
        let tiles = verified.tiles().unwrap();
        assert_eq!(
            tiles.root().as_bytes(),
            blake3::hash(&bytes).as_bytes(),
            "size {size}"
        );
        let tiling = Tiling::of(size as u64);
        for (index, (tile, value)) in bytes.chunks(TILE).zip(tiles.values()).enumerate() {
            assert_eq!(tiling.value(index as u64, tile).unwrap(), *value);
        }
    }
}

#[test]
fn bytes_in_memory_have_both_digests_too() {
    for size in sizes() {
        let bytes = model(size);
        let pass = BytesPass::start(size as u64, None, gguf::Policy::default(), Control::new());
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            rest = &rest[pass.offer(rest)..];
            pass.wait_room();
        }
        let verified = pass.finish().unwrap();
        assert_eq!(verified.sha256(), sha256(&bytes), "size {size}");
        assert_eq!(
            verified.blake3().as_bytes(),
            blake3::hash(&bytes).as_bytes(),
            "size {size}"
        );
    }
}

#[test]
fn who_wants_no_tiles_gets_none() {
    let folder = Folder::new();
    let bytes = model(3 * BLOCK);
    folder.file("m", &bytes);
    let flat = verify::Ask {
        proving: Proving {
            tiles: false,
            ..Proving::default()
        },
        ..ask("m")
    };
    let verified = verify::load(&folder.root(), &flat, &Control::new()).unwrap();
    assert_eq!(verified.sha256(), sha256(&bytes));
    assert!(verified.tiles().is_none());
}
