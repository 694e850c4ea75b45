//! A copy that does not answer: the second look can be cancelled, and counts nothing.

use super::prove_copy;
use crate::platform::Fault;
use crate::reader::Source;
use crate::{Code, Control, FileFacts, Tiles};
use digest::{TILE_BYTES, TileValue, Tiling};
use std::io;
use std::sync::mpsc::{Receiver, RecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

const SIZE: u64 = 8 * TILE_BYTES;

/// Reads nothing until the other end of the channel is dropped.
struct Hangs(Mutex<Receiver<()>>);

impl Source for Hangs {
    fn read_at(&self, buffer: &mut [u8], _: u64) -> io::Result<usize> {
        let _: Result<(), RecvError> = self.0.lock().unwrap().recv();
        Ok(buffer.len())
    }

    fn facts(&self) -> Result<FileFacts, Fault> {
        Ok(FileFacts {
            dev: 1,
            ino: 2,
            size: SIZE,
            nlink: 0,
            mtime_ns: 3,
            ctime_ns: 4,
        })
    }
}

fn tiles() -> Tiles {
    let tiling = Tiling::of(SIZE);
    let values = (0..tiling.tiles()).map(|_| TileValue::from([0; 32]));
    Tiles::of(tiling, values.collect()).unwrap()
}

#[test]
fn a_second_look_that_hangs_is_cancelled_with_its_load_and_leaves_its_counts_alone() {
    let (release, released) = channel();
    let copy = Arc::new(Hangs(Mutex::new(released)));
    let control = Control::new();
    control.start(7);
    control.advance(7);
    let answer = std::thread::scope(|scope| {
        let looking = scope.spawn(|| prove_copy(&copy, &tiles(), 2, &control));
        sleep(Duration::from_millis(20));
        control.cancel();
        looking.join().unwrap()
    });
    assert_eq!(answer.unwrap_err().code, Code::Aborted);
    assert_eq!((control.bytes_done(), control.bytes_total()), (7, 7));
    drop(release);
}

#[test]
fn a_load_that_was_cancelled_before_is_not_looked_at_again() {
    let (_release, released) = channel();
    let copy = Arc::new(Hangs(Mutex::new(released)));
    let control = Control::new();
    control.cancel();
    let answer = prove_copy(&copy, &tiles(), 2, &control);
    assert_eq!(answer.unwrap_err().code, Code::Aborted);
}
