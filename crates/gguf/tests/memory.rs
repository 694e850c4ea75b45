//! What a refusal may cost in memory, whatever the file claims or holds: measured by an allocator
//! that counts. It has a process of its own, so that no other test is counted.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use common::*;
use gguf::{Policy, Scanner};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn add(bytes: usize) {
    PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Large blocks are moved by remapping, so that old and new never exist together.
        LIVE.fetch_sub(layout.size(), Relaxed);
        add(size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One measurement at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The most that was allocated at once while the file was judged, in bytes.
fn peak_bytes(file: &[u8], size: u64) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut scanner = Scanner::new(size, Policy::default());
    file.chunks(1 << 20).for_each(|block| scanner.feed(block));
    let verdict = scanner.finish();
    let peak = PEAK.load(Relaxed) - before;
    drop(verdict);
    assert_eq!(LIVE.load(Relaxed), before, "something leaked");
    peak
}

const BYTES_MAX: usize = 50_000_000;

#[test]
fn a_claim_costs_nothing() {
    let _alone = ALONE.lock().unwrap();
    let start = || Raw::v3(0, 2).architecture();
    let claims = [
        Raw::new().raw(b"GGUF").u32(3).u64(u64::MAX).u64(u64::MAX),
        Raw::new().raw(b"GGUF").u32(3).u64(100_000).u64(10_000),
        start().u64(u64::MAX).zeros(64),
        start().key("a", STR).u64(1 << 20).zeros(64),
        start()
            .key("tokenizer.chat_template", STR)
            .u64(16 << 20)
            .zeros(64),
        start().array("a", F64, 4 << 20).zeros(64),
        start().array("a", STR, 4 << 20).zeros(64),
    ];
    for raw in claims {
        // The file says so, and it even has the size for it; but the bytes never come.
        for size in [raw.bytes.len() as u64, 1 << 40] {
            let peak = peak_bytes(&raw.bytes, size);
            assert!(
                peak < 20_000,
                "{peak} bytes for {} of them",
                raw.bytes.len()
            );
        }
    }
}

#[test]
fn the_largest_headers_stay_within_the_bound() {
    let _alone = ALONE.lock().unwrap();
    let size = 33_000_000_usize;
    let strings = Raw::v3(0, 1).array("a", STR, size as u64 / 8);
    let empty_strings = strings.clone().zeros(size);
    let long = Raw::v3(0, 40)
        .array("a", U8, 4 << 20)
        .zeros(4 << 20)
        .array("a", U8, 4 << 20)
        .zeros(size);
    let keys = (0..9_999).fold(Raw::v3(0, 10_000), |raw, key| {
        raw.string(format!("{key:03000}")).u32(U8).u8(1)
    });
    let tensors = (0..100_000).fold(Raw::v3(100_000, 0), |raw, name| {
        raw.tensor(format!("{name:063}"), &[1, 1, 1, 0], 0, 0)
    });
    // Valid but for their last byte.
    for raw in [empty_strings, long, keys.string("x").u32(77), tensors] {
        let peak = peak_bytes(&raw.bytes, raw.bytes.len() as u64);
        assert!(
            peak < BYTES_MAX,
            "{peak} bytes for a header of {}",
            raw.bytes.len()
        );
    }
}

#[test]
fn a_header_over_the_limit_is_not_kept() {
    let _alone = ALONE.lock().unwrap();
    let arrays = (0..20).fold(Raw::v3(0, 40), |raw, key| {
        raw.array(format!("k{key}"), U8, 4 << 20).zeros(4 << 20)
    });
    assert!(arrays.bytes.len() > 80_000_000);
    let peak = peak_bytes(&arrays.bytes, arrays.bytes.len() as u64);
    assert!(peak < BYTES_MAX, "{peak} bytes");
}

#[test]
fn data_are_not_kept() {
    let _alone = ALONE.lock().unwrap();
    let header = Raw::v3(1, 1)
        .architecture()
        .tensor("a", &[100_000_000], 24, 0)
        .pad(32);
    let file = header.zeros(100_000_000);
    let peak = peak_bytes(&file.bytes, file.bytes.len() as u64);
    assert!(peak < 1_000_000, "{peak} bytes");
}
