//! Files in memory read abreast: of every size, slow, broken, changed, in crowds.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that panics has failed"
)]

use super::{Entry, Outcome, Refused, Tuning, read};
use crate::platform::Fault;
use crate::reader::Source;
use crate::{Code, Control, FileFacts};
use digest::{Sha256, Sha256Digest};
use gguf::Policy;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SMALL: Tuning = Tuning {
    block_bytes: 64,
    threads: 3,
};

type Hook = dyn Fn(u64) -> io::Result<()> + Send + Sync;

/// A file in memory; the hook runs before each read.
struct Memory {
    bytes: Vec<u8>,
    facts: FileFacts,
    hook: Box<Hook>,
    reads: AtomicUsize,
}

impl Source for Memory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (self.hook)(offset)?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        let rest = self
            .bytes
            .get(usize::try_from(offset).unwrap()..)
            .unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn facts(&self) -> Result<FileFacts, Fault> {
        Ok(self.facts)
    }
}

fn facts(size: usize) -> FileFacts {
    FileFacts {
        dev: 1,
        ino: 2,
        size: size as u64,
        nlink: 1,
        mtime_ns: 3,
        ctime_ns: 4,
    }
}

fn noise(seed: usize, size: usize) -> Vec<u8> {
    (0..size)
        .map(|n| ((n + seed).wrapping_mul(0x9E37_79B1) >> 8).to_le_bytes()[0])
        .collect()
}

fn file(
    bytes: Vec<u8>,
    hook: impl Fn(u64) -> io::Result<()> + Send + Sync + 'static,
) -> Arc<Memory> {
    Arc::new(Memory {
        facts: facts(bytes.len()),
        bytes,
        hook: Box::new(hook),
        reads: AtomicUsize::new(0),
    })
}

fn plain(seed: usize, size: usize) -> Arc<Memory> {
    file(noise(seed, size), |_| Ok(()))
}

fn entry(source: &Arc<Memory>) -> Entry<Memory> {
    Entry {
        source: Arc::clone(source),
        facts: facts(source.bytes.len()),
        expected: None,
        policy: Policy::default(),
        tiles: true,
        sealing: None,
        consumer: None,
    }
}

/// The naive twin.
fn sha256(bytes: &[u8]) -> Sha256Digest {
    let mut state = Sha256::new();
    state.update(bytes);
    state.finalize()
}

fn refused(answer: Result<Vec<Outcome>, Refused>) -> (usize, Code) {
    let (index, refusal) = answer.err().expect("it must be refused");
    (index, refusal.code)
}

#[test]
fn every_file_of_a_crowd_has_the_digests_of_the_twins() {
    for count in [1, 2, 3, 5, 8, 13, 17, 40, 300] {
        for threads in [1, 2, 5] {
            let sizes = (0..count).map(|n| [0, 1, 63, 64, 65, 640, 1000, 4096][n % 8] + n);
            let files: Vec<_> = sizes
                .enumerate()
                .map(|(seed, size)| plain(seed, size))
                .collect();
            let tuning = Tuning { threads, ..SMALL };
            let control = Control::new();
            let outcomes = read(files.iter().map(entry).collect(), tuning, &control);
            let outcomes = outcomes.map_err(|(_, refusal)| refusal).unwrap();
            assert_eq!(outcomes.len(), count);
            for (file, outcome) in files.iter().zip(&outcomes) {
                assert_eq!(outcome.hashed.sha256, sha256(&file.bytes));
                let root = outcome.tiles.as_ref().unwrap().root();
                assert_eq!(root.as_bytes(), blake3::hash(&file.bytes).as_bytes());
                assert_eq!(
                    file.reads.load(Ordering::SeqCst),
                    file.bytes.len().div_ceil(64)
                );
            }
            let total: usize = files.iter().map(|file| file.bytes.len()).sum();
            assert_eq!(control.bytes_done(), total as u64);
        }
    }
}

#[test]
fn a_wrong_digest_ends_the_reading_of_all() {
    let files = [plain(0, 1 << 20), plain(1, 128), plain(2, 1 << 20)];
    let mut entries: Vec<_> = files.iter().map(entry).collect();
    entries[1].expected = Some(sha256(b"another"));
    assert_eq!(
        refused(read(entries, SMALL, &Control::new())),
        (1, Code::DigestMismatch)
    );
    assert!(files[0].reads.load(Ordering::SeqCst) < (1 << 20) / 64);
}

#[test]
fn a_file_that_cannot_be_read_or_has_changed_is_named() {
    let broken = |at: u64| {
        file(noise(1, 1000), move |offset| {
            if offset < at {
                return Ok(());
            }
            Err(io::Error::from_raw_os_error(5))
        })
    };
    let short = || {
        let mut entry = entry(&plain(1, 900));
        entry.facts = facts(1000);
        entry
    };
    let touched = || {
        let mut entry = entry(&plain(1, 1000));
        entry.facts.ctime_ns -= 1;
        entry
    };
    for (bad, code) in [
        (entry(&broken(0)), Code::Io),
        (entry(&broken(640)), Code::Io),
        (short(), Code::ChangedWhileRead),
        (touched(), Code::ChangedWhileRead),
    ] {
        let entries = vec![entry(&plain(0, 500)), entry(&plain(2, 2000)), bad];
        assert_eq!(refused(read(entries, SMALL, &Control::new())), (2, code));
    }
}

#[test]
fn a_panic_is_a_refusal() {
    let entries = vec![
        entry(&plain(0, 5000)),
        entry(&file(noise(1, 1000), |offset| {
            assert!(offset < 128, "on purpose");
            Ok(())
        })),
    ];
    assert_eq!(
        refused(read(entries, SMALL, &Control::new())).1,
        Code::Internal
    );
}

#[test]
fn a_cancel_is_heard_behind_a_disk_that_does_not_answer() {
    let met = Arc::new(Barrier::new(2));
    let there = Arc::clone(&met);
    let stuck = file(noise(1, 1000), move |_| {
        there.wait();
        sleep(Duration::from_secs(30));
        Ok(())
    });
    let control = Control::new();
    let canceller = control.clone();
    let cancelling = std::thread::spawn(move || {
        met.wait();
        canceller.cancel();
    });
    let started = Instant::now();
    let answer = read(vec![entry(&plain(0, 1000)), entry(&stuck)], SMALL, &control);
    assert_eq!(refused(answer).1, Code::Aborted);
    assert!(started.elapsed() < Duration::from_secs(20));
    cancelling.join().unwrap();
}

#[test]
fn a_cancel_before_the_start_reads_nothing() {
    let control = Control::new();
    control.cancel();
    for size in [10, 10_000] {
        let source = plain(0, size);
        assert_eq!(
            refused(read(vec![entry(&source)], SMALL, &control)).1,
            Code::Aborted
        );
        assert_eq!(source.reads.load(Ordering::SeqCst), 0);
    }
}
