//! Windows into a file that may change: right bytes, or none.

use super::read;
use crate::platform::Fault;
use crate::reader::Source;
use crate::{Code, Control, FileFacts, Tiles};
use digest::Tiling;
use proptest::prelude::*;
use std::io;
use std::sync::Mutex;

const TILE: usize = 256 * 1024;

/// A file in memory that a test may change under the reader.
struct Changing(Mutex<Vec<u8>>);

impl Source for Changing {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.0.lock().unwrap();
        let rest = &bytes[bytes.len().min(usize::try_from(offset).unwrap())..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn facts(&self) -> Result<FileFacts, Fault> {
        unreachable!("a window does not look at the file's facts")
    }
}

fn text(size: usize) -> Vec<u8> {
    (0..size)
        .map(|n| (n.wrapping_mul(0x9E37_79B1) >> 21).to_le_bytes()[0])
        .collect()
}

fn opened(bytes: &[u8]) -> (Changing, Tiles) {
    let tiling = Tiling::of(bytes.len() as u64);
    let tiles = bytes.chunks(TILE).enumerate();
    let values = tiles.map(|(index, tile)| tiling.value(index as u64, tile).unwrap());
    let tiles = Tiles::of(tiling, values.collect()).unwrap();
    (Changing(Mutex::new(bytes.to_vec())), tiles)
}

fn window(
    source: &Changing,
    tiles: &Tiles,
    start: usize,
    end: usize,
) -> Result<Vec<u8>, crate::Refusal> {
    read(source, tiles, start as u64..end as u64, &Control::new())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_window_is_that_part_of_the_file(size in 1..4 * TILE, a in 0.0..=1.0_f64, b in 0.0..=1.0_f64) {
        let bytes = text(size);
        let (source, tiles) = opened(&bytes);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let (a, b) = ((a * size as f64) as usize, (b * size as f64) as usize);
        let (start, end) = (a.min(b), a.max(b));
        prop_assert_eq!(window(&source, &tiles, start, end).unwrap(), &bytes[start..end]);
    }
}

#[test]
fn windows_about_every_edge() {
    let bytes = text(3 * TILE + 5);
    let (source, tiles) = opened(&bytes);
    let edges = [
        0,
        1,
        TILE - 1,
        TILE,
        TILE + 1,
        2 * TILE,
        3 * TILE,
        3 * TILE + 5,
    ];
    for start in edges {
        for end in edges.into_iter().filter(|end| *end >= start) {
            assert_eq!(
                window(&source, &tiles, start, end).unwrap(),
                &bytes[start..end]
            );
        }
    }
}

#[test]
fn a_tile_that_changed_anywhere_is_not_handed_out_and_its_neighbours_are() {
    let bytes = text(3 * TILE);
    let (source, tiles) = opened(&bytes);
    for at in [TILE, TILE + 1000, 2 * TILE - 1] {
        source.0.lock().unwrap()[at] ^= 1;
        let refusal = window(&source, &tiles, TILE + 10, TILE + 20).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.offset),
            (Code::ChangedAfterCheck, Some(TILE as u64))
        );
        assert!(!refusal.retriable);
        assert!(window(&source, &tiles, 0, 3 * TILE).is_err());
        assert_eq!(window(&source, &tiles, 0, TILE).unwrap(), &bytes[..TILE]);
        assert_eq!(
            window(&source, &tiles, 2 * TILE, 3 * TILE).unwrap(),
            &bytes[2 * TILE..]
        );
        source.0.lock().unwrap()[at] ^= 1;
        assert!(window(&source, &tiles, TILE + 10, TILE + 20).is_ok());
    }
}

#[test]
fn an_end_before_the_size_is_a_change_too_and_a_file_that_grew_is_not() {
    let bytes = text(2 * TILE + 100);
    let (source, tiles) = opened(&bytes);
    source.0.lock().unwrap().truncate(2 * TILE + 99);
    let refusal = window(&source, &tiles, 2 * TILE, 2 * TILE + 1).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.offset),
        (Code::ChangedAfterCheck, Some(2 * TILE as u64 + 99))
    );
    *source.0.lock().unwrap() = text(2 * TILE + 999);
    assert_eq!(window(&source, &tiles, 0, bytes.len()).unwrap(), bytes);
}

#[test]
fn a_window_can_be_cancelled_and_none_lies_outside() {
    let bytes = text(2 * TILE);
    let (source, tiles) = opened(&bytes);
    let control = Control::new();
    control.cancel();
    assert_eq!(
        read(&source, &tiles, 0..9, &control).unwrap_err().code,
        Code::Aborted
    );
    for (start, end) in [(0, 2 * TILE + 1), (9, 8), (2 * TILE + 1, 2 * TILE + 1)] {
        assert_eq!(
            window(&source, &tiles, start, end).unwrap_err().code,
            Code::Internal
        );
    }
}
