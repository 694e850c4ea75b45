//! Sources that no real file can be made into on demand: slow, broken, stingy, panicking.

use super::{Ask, Proving, prove};
use crate::judge::{Proof, guarded};
use crate::pass::{Consumer, Tuning};
use crate::platform::Fault;
use crate::reader::Source;
use crate::{Block, Code, Control, FileFacts, Refusal};
use digest::{Sha256, Sha256Digest};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Blocks so small that a short text has many of them.
const SMALL: Tuning = Tuning {
    block_bytes: 64,
    blocks_max: 4,
    readers: 2,
};

type Read = dyn Fn(&mut [u8], u64) -> io::Result<usize> + Send + Sync;

/// A file in memory whose reads go through a function of the test's.
struct Double {
    read: Box<Read>,
    after: FileFacts,
    /// Every read that gave bytes: where, how many.
    reads: Mutex<Vec<(u64, usize)>>,
}

impl Double {
    fn new(
        after: FileFacts,
        read: impl Fn(&mut [u8], u64) -> io::Result<usize> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            read: Box::new(read),
            after,
            reads: Mutex::default(),
        })
    }

    /// Whether the reads cover all bytes, each once and none twice.
    fn read_each_byte_once(&self, size: usize) -> bool {
        let mut reads = self.reads.lock().unwrap().clone();
        reads.sort_unstable();
        let end = reads.iter().try_fold(0, |end, &(offset, count)| {
            (offset == end).then_some(end + count as u64)
        });
        end == Some(size as u64)
    }
}

impl Source for Double {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = (self.read)(buffer, offset)?;
        if count > 0 {
            self.reads.lock().unwrap().push((offset, count));
        }
        Ok(count)
    }

    fn facts(&self) -> Result<FileFacts, Fault> {
        Ok(self.after)
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

fn text(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 31 % 251).to_le_bytes()[0]).collect()
}

/// Reads of `bytes` as a file gives them.
fn plain(bytes: Vec<u8>) -> impl Fn(&mut [u8], u64) -> io::Result<usize> + Send + Sync {
    move |buffer, offset| {
        let rest = &bytes[bytes.len().min(usize::try_from(offset).unwrap())..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

fn twin(bytes: &[u8]) -> Sha256Digest {
    let mut state = Sha256::new();
    state.update(bytes);
    state.finalize()
}

fn ask() -> Ask {
    Ask {
        path: Vec::new(),
        expected: None,
        bytes_max: u64::MAX,
        policy: gguf::Policy::default(),
        proving: Proving::default(),
        guarding: crate::Guarding::default(),
    }
}

fn run(source: &Arc<Double>, size: usize, tuning: Tuning) -> Result<Proof, Refusal> {
    let control = Control::new();
    guarded(|| prove(source, &facts(size), &ask(), tuning, &control, &mut []))
}

fn os_error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

#[test]
fn every_length_around_a_block_and_around_the_ring_has_its_digest() {
    let ring = SMALL.block_bytes * SMALL.blocks_max;
    for readers in [1, 2, 4] {
        let tuning = Tuning { readers, ..SMALL };
        for size in (0..200).chain(ring - 66..ring + 67).chain([1_000, 4_096]) {
            let bytes = text(size);
            let source = Double::new(facts(size), plain(bytes.clone()));
            let refusal = run(&source, size, tuning).unwrap_err();
            assert!(matches!(refusal.code, Code::Gguf(_)), "size {size}");
            assert_eq!(refusal.sha256, Some(twin(&bytes)), "size {size}");
            assert!(source.read_each_byte_once(size), "size {size}");
        }
    }
}

#[test]
fn reads_that_give_less_than_asked_are_gone_on_with() {
    let bytes = text(1_000);
    let whole = plain(bytes.clone());
    let calls = AtomicUsize::new(0);
    let source = Double::new(facts(1_000), move |buffer, offset| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        if call % 3 == 2 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = buffer.len().min(call % 7 + 1);
        whole(&mut buffer[..count], offset)
    });
    let refusal = run(&source, 1_000, SMALL).unwrap_err();
    assert_eq!(refusal.sha256, Some(twin(&bytes)));
    assert!(source.read_each_byte_once(1_000));
}

#[test]
fn a_file_that_grows_is_not_read_beyond_its_first_size() {
    let source = Double::new(facts(900), plain(text(5_000)));
    let refusal = run(&source, 900, SMALL).unwrap_err();
    assert_eq!(refusal.sha256, Some(twin(&text(5_000)[..900])));
    assert!(source.read_each_byte_once(900));
}

#[test]
fn an_end_before_the_size_is_a_change_at_that_byte() {
    for size_now in [0, 1, 63, 64, 65, 500, 899] {
        let source = Double::new(facts(900), plain(text(size_now)));
        let refusal = run(&source, 900, SMALL).unwrap_err();
        assert_eq!(refusal.code, Code::ChangedWhileRead);
        assert_eq!(refusal.offset, Some(size_now as u64));
        assert_eq!(refusal.sha256, None);
        assert!(refusal.retriable);
    }
}

#[test]
fn a_change_that_only_the_second_look_shows() {
    let before = facts(900);
    let changes = [
        FileFacts {
            size: 901,
            ..before
        },
        FileFacts {
            size: 899,
            ..before
        },
        FileFacts {
            mtime_ns: 0,
            ..before
        },
        FileFacts {
            ctime_ns: 0,
            ..before
        },
    ];
    for after in changes {
        let source = Double::new(after, plain(text(900)));
        let refusal = run(&source, 900, SMALL).unwrap_err();
        assert_eq!(refusal.code, Code::ChangedWhileRead);
        assert_eq!(refusal.sha256, Some(twin(&text(900))));
    }
}

#[test]
fn a_change_is_judged_before_the_digest_and_the_digest_before_the_format() {
    let wrong = Ask {
        expected: Some(twin(b"something else")),
        ..ask()
    };
    let control = Control::new();
    let judged = |after| {
        let source = Double::new(after, plain(text(900)));
        prove(&source, &facts(900), &wrong, SMALL, &control, &mut []).unwrap_err()
    };
    let changed = judged(FileFacts {
        ctime_ns: 9,
        ..facts(900)
    });
    assert_eq!(changed.code, Code::ChangedWhileRead);
    let mismatch = judged(facts(900));
    assert_eq!(mismatch.code, Code::DigestMismatch);
    assert_eq!(mismatch.actual, Some(twin(&text(900)).to_string()));
}

#[test]
fn a_failing_disk_is_named_with_its_byte() {
    for (errno, symbol, retriable) in [
        (5, "EIO", false),
        (12, "ENOMEM", true),
        (116, "ESTALE", true),
    ] {
        let whole = plain(text(900));
        let source = Double::new(facts(900), move |buffer, offset| {
            let broken = offset >= 320;
            if broken {
                Err(os_error(errno))
            } else {
                whole(buffer, offset)
            }
        });
        let refusal = run(&source, 900, SMALL).unwrap_err();
        assert_eq!(refusal.code, Code::Io);
        assert_eq!(refusal.offset, Some(320));
        assert_eq!(refusal.errno, Some(errno));
        assert_eq!(refusal.retriable, retriable, "{symbol}");
        assert!(refusal.message.contains(symbol), "{}", refusal.message);
    }
}

#[test]
fn of_several_failures_the_first_in_the_file_is_told() {
    let whole = plain(text(900));
    let source = Double::new(facts(900), move |buffer, offset| match offset {
        // The later block fails at once, the earlier one after it.
        128 => {
            sleep(Duration::from_millis(20));
            Err(os_error(5))
        }
        192.. => Err(os_error(12)),
        _ => whole(buffer, offset),
    });
    let refusal = run(&source, 900, SMALL).unwrap_err();
    assert_eq!((refusal.offset, refusal.errno), (Some(128), Some(5)));
}

#[test]
fn a_panic_while_reading_is_a_refusal_and_not_a_hang() {
    // Of one block, read right here; of many, read by threads.
    for size in [50, 5_000] {
        let source = Double::new(facts(size), |_, offset| panic!("the disk at {offset}"));
        let refusal = run(&source, size, SMALL).unwrap_err();
        assert_eq!(refusal.code, Code::Internal, "size {size}");
        assert!(!refusal.message.contains("the disk at"));
    }
}

#[test]
fn a_panic_in_a_consumer_is_a_refusal_and_sends_the_readers_home() {
    struct Panics;
    impl Consumer for Panics {
        fn take(&mut self, block: &Block) {
            assert!(block.offset() < 128, "a consumer's own fault");
        }
    }
    let source = Double::new(facts(50_000), plain(text(50_000)));
    let control = Control::new();
    let consumers: &mut [&mut dyn Consumer] = &mut [&mut Panics];
    let answer = guarded(|| prove(&source, &facts(50_000), &ask(), SMALL, &control, consumers));
    assert_eq!(answer.unwrap_err().code, Code::Internal);
    assert_is_let_go(&source);
}

/// Waits until no reader holds the source any more.
fn assert_is_let_go(source: &Arc<Double>) {
    let started = Instant::now();
    while Arc::strong_count(source) > 1 {
        assert!(started.elapsed() < Duration::from_secs(5), "a reader stays");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn cancelling_does_not_wait_for_a_disk_that_hangs() {
    // The best of a few: on a busy machine a thread may wait for a processor.
    let waited = (0..5).map(|_| cancel_while_the_disk_hangs()).min().unwrap();
    assert!(waited < Duration::from_millis(10), "{waited:?}");
}

/// How long a load takes to answer a cancel while both readers hang, for as long as it runs.
fn cancel_while_the_disk_hangs() -> Duration {
    let (release, released) = channel::<()>();
    let source = hanging_at(640, released);
    let control = Control::new();
    let (answer, waited) = std::thread::scope(|scope| {
        let loading = scope.spawn(|| {
            let answer = prove(&source, &facts(5_000), &ask(), SMALL, &control, &mut []);
            (answer, Instant::now())
        });
        while control.bytes_done() < 640 {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(20));
        let cancelled = Instant::now();
        control.cancel();
        let (answer, answered) = loading.join().unwrap();
        (answer, answered - cancelled)
    });
    let refusal = answer.unwrap_err();
    assert_eq!((refusal.code, refusal.sha256), (Code::Aborted, None));
    assert!(Arc::strong_count(&source) > 1, "a reader still hangs");
    drop(release);
    assert_is_let_go(&source);
    waited
}

/// A source whose reads from `start` on hang until the other end of `released` is dropped.
fn hanging_at(start: u64, released: Receiver<()>) -> Arc<Double> {
    let released = Mutex::new(released);
    let whole = plain(text(5_000));
    Double::new(facts(5_000), move |buffer, offset| {
        if offset >= start {
            let _: Result<(), RecvError> = released.lock().unwrap().recv();
        }
        whole(buffer, offset)
    })
}

#[test]
fn after_a_whole_reading_no_thread_holds_the_file() {
    for _ in 0..200 {
        let source = Double::new(facts(2_000), plain(text(2_000)));
        let _: Result<Proof, Refusal> = run(&source, 2_000, SMALL);
        assert_eq!(Arc::strong_count(&source), 1);
    }
}

/// Sends each block to another thread, which keeps it for a while.
struct Elsewhere(Sender<Block>);

impl Consumer for Elsewhere {
    fn take(&mut self, block: &Block) {
        self.0.send(block.clone()).unwrap();
    }
}

#[test]
fn a_block_stays_put_until_its_last_holder_lets_it_go() {
    let bytes = text(20_000);
    let source = Double::new(facts(20_000), plain(bytes.clone()));
    let (sender, blocks) = channel::<Block>();
    let keeper = std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut seen = Vec::new();
        for block in blocks {
            assert_eq!(block.offset(), seen.len() as u64);
            seen.extend_from_slice(block.bytes());
            kept.push((seen.len(), block));
            // Three blocks of the ring's four are always out; each must still be what it was.
            if kept.len() == 3 {
                sleep(Duration::from_micros(50));
                let (end, block) = kept.remove(0);
                assert!(seen[..end].ends_with(block.bytes()));
            }
        }
        seen
    });
    let control = Control::new();
    let mut elsewhere = Elsewhere(sender);
    let consumers: &mut [&mut dyn Consumer] = &mut [&mut elsewhere];
    let refusal = prove(&source, &facts(20_000), &ask(), SMALL, &control, consumers).unwrap_err();
    drop(elsewhere);
    assert_eq!(refusal.sha256, Some(twin(&bytes)));
    assert_eq!(keeper.join().unwrap(), bytes);
}

#[test]
fn a_consumer_that_keeps_every_block_can_still_be_cancelled() {
    let source = Double::new(facts(20_000), plain(text(20_000)));
    let (sender, blocks) = channel::<Block>();
    let control = Control::new();
    let mut elsewhere = Elsewhere(sender);
    let answer = std::thread::scope(|scope| {
        let loading = scope.spawn(|| {
            let consumers: &mut [&mut dyn Consumer] = &mut [&mut elsewhere];
            prove(&source, &facts(20_000), &ask(), SMALL, &control, consumers)
        });
        while control.bytes_done() < 256 {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(10));
        // All four buffers are out: the reading stands still, and memory does not grow.
        assert_eq!(control.bytes_done(), 256);
        control.cancel();
        loading.join().unwrap()
    });
    assert_eq!(answer.unwrap_err().code, Code::Aborted);
    assert_is_let_go(&source);
    drop(blocks);
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let source = Double::new(facts(900), |_, _| panic!("read"));
    let small = Ask {
        bytes_max: 899,
        ..ask()
    };
    let control = Control::new();
    let refusal = prove(&source, &facts(900), &small, SMALL, &control, &mut []).unwrap_err();
    assert_eq!(refusal.code, Code::TooLarge);
    assert_eq!(refusal.expected.as_deref(), Some("899"));
    assert_eq!(refusal.actual.as_deref(), Some("900"));
}
