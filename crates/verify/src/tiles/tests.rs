//! Values made block by block against the whole file's digest, whatever the blocks.

use super::{Making, Tiler, Tiles};
use crate::Code;
use crate::block::Block;
use crate::pass::Consumer;
use crate::ring::{Ring, Shape};
use digest::Tiling;
use proptest::prelude::*;
use std::io;
use std::thread::Builder;

const TILE: usize = 256 * 1024;

fn text(size: usize) -> Vec<u8> {
    (0..size)
        .map(|n| (n.wrapping_mul(0x9E37_79B1) >> 21).to_le_bytes()[0])
        .collect()
}

/// The twin: every tile cut out of the whole text.
fn twin(bytes: &[u8]) -> Tiles {
    let tiling = Tiling::of(bytes.len() as u64);
    let value = |index: u64| {
        let range = tiling.range(index).unwrap();
        let tile =
            &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        tiling.value(index, tile).unwrap()
    };
    Tiles::of(tiling, (0..tiling.tiles()).map(value).collect()).unwrap()
}

fn in_blocks(bytes: &[u8], lengths: &mut dyn Iterator<Item = usize>) -> Tiles {
    let mut making = Making::of(bytes.len() as u64);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (block, after) = rest.split_at(lengths.next().unwrap_or(rest.len()).min(rest.len()));
        making.take(block);
        rest = after;
    }
    making.finish().unwrap()
}

fn assert_same(found: &Tiles, expected: &Tiles) {
    assert_eq!(found.values(), expected.values());
    assert_eq!(found.root(), expected.root());
    assert_eq!(found.tiling(), expected.tiling());
}

#[test]
fn blocks_that_cut_tiles_anywhere_give_the_same_values() {
    for size in [0, 1, TILE - 1, TILE, TILE + 1, 4 * TILE, 4 * TILE + 7] {
        let bytes = text(size);
        let expected = twin(&bytes);
        for block in [64 << 10, TILE - 1, TILE, TILE + 1, 1 << 20] {
            let found = in_blocks(&bytes, &mut std::iter::repeat(block));
            assert_same(&found, &expected);
        }
    }
}

#[test]
fn bytes_behind_the_announced_end_do_not_hang_and_do_not_count() {
    for size in [0, 5, TILE] {
        let bytes = text(size + 9);
        let mut making = Making::of(size as u64);
        making.take(&bytes);
        making.take(&bytes);
        assert_same(&making.finish().unwrap(), &twin(&bytes[..size]));
    }
}

#[test]
fn bytes_that_are_missing_give_no_root() {
    for size in [1, TILE, 3 * TILE] {
        let bytes = text(size);
        let mut making = Making::of(size as u64);
        making.take(&bytes[..size - 1]);
        assert!(making.finish().is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_blocks_give_the_same_values(size in 0..5 * TILE, lengths in prop::collection::vec(1..2 * TILE, 0..40)) {
        let bytes = text(size);
        assert_same(&in_blocks(&bytes, &mut lengths.into_iter()), &twin(&bytes));
    }
}

/// Hands `bytes` to the tiler as the pass does.
fn pass(mut tiler: Tiler, bytes: &[u8], block_bytes: usize) -> Result<Tiles, crate::Refusal> {
    let ring = Ring::new(Shape {
        bytes_total: bytes.len() as u64,
        block_bytes,
        blocks_max: 4,
    });
    let control = crate::Control::new();
    for chunk in bytes.chunks(block_bytes) {
        let mut claim = ring.claim().unwrap();
        claim.space().copy_from_slice(chunk);
        ring.publish(claim);
        let block: Block = ring.next(&control).unwrap().unwrap();
        tiler.take(&block);
    }
    tiler.finish()
}

#[test]
fn a_thread_of_its_own_gives_the_same_values_and_lets_every_buffer_go() {
    // Forty blocks through four buffers: a block that was kept would stop the claims for ever.
    let bytes = text(10 * TILE + 3);
    let tiler = Tiler::start(bytes.len() as u64, 64 << 10);
    assert!(matches!(tiler, Tiler::There { .. }));
    assert_same(&pass(tiler, &bytes, 64 << 10).unwrap(), &twin(&bytes));
}

#[test]
fn a_file_of_one_block_needs_no_thread() {
    assert!(matches!(Tiler::start(1 << 20, 1 << 20), Tiler::Here(_)));
    assert!(matches!(Tiler::start(0, 1 << 20), Tiler::Here(_)));
}

#[test]
fn where_no_thread_can_be_had_the_values_are_made_here() {
    let bytes = text(3 * TILE);
    let tiler = Tiler::start_by(bytes.len() as u64, |_| Err(io::Error::other("no thread")));
    assert!(matches!(tiler, Tiler::Here(_)));
    assert_same(&pass(tiler, &bytes, TILE).unwrap(), &twin(&bytes));
}

#[test]
fn a_panic_on_the_other_thread_is_a_refusal_and_not_a_hang() {
    let bytes = text(40 * 1024);
    let dies = |_| Builder::new().spawn(|| -> Making { panic!("the other thread") });
    let tiler = Tiler::start_by(bytes.len() as u64, dies);
    let refusal = pass(tiler, &bytes, 1024).unwrap_err();
    assert_eq!(refusal.code, Code::Internal);
    assert!(!refusal.message.contains("the other thread"));
}
