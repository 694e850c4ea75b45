//! What a refusal may cost in memory, whatever the file claims or holds: measured by an allocator
//! that counts. It has a process of its own, so that no other test is counted.

// Sizes of allocations are far below 2^63.
#![allow(clippy::cast_possible_wrap)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::*;
use gguf::{Policy, Scanner};

struct Counting;

thread_local! {
    /// What this thread holds, and the most it ever held since it was last asked. A thread of its
    /// own measures each test, whatever the test runner's other threads do meanwhile.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn add(bytes: i64) {
    let live = LIVE.get() + bytes;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Large blocks are moved by remapping, so that old and new never exist together.
        add(-(layout.size() as i64));
        add(size as i64);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that was allocated at once while the file was judged, in bytes.
fn peak_bytes(file: &[u8], size: u64) -> i64 {
    let before = LIVE.get();
    PEAK.set(before);
    let mut scanner = Scanner::new(size, Policy::default());
    file.chunks(1 << 20).for_each(|block| scanner.feed(block));
    let verdict = scanner.finish();
    let peak = PEAK.get() - before;
    drop(verdict);
    assert_eq!(LIVE.get(), before, "something leaked");
    peak
}

const BYTES_MAX: i64 = 50_000_000;

#[test]
fn a_claim_costs_nothing() {
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
fn the_rules_of_engines_stay_within_the_bound() {
    let tokens = 2_300_000_u32;
    let start = Raw::v3(0, 3)
        .architecture()
        .pair_string("tokenizer.ggml.model", "gpt2");
    let start = start.array("tokenizer.ggml.tokens", STR, tokens.into());
    // Valid and distinct: everything that compares tokens has to compare them all.
    let raw = (0..tokens).fold(start, |raw, token| raw.string(format!("{token:x}")));
    assert!(raw.bytes.len() > 30_000_000);
    let peak = peak_bytes(&raw.bytes, raw.bytes.len() as u64);
    assert!(peak < BYTES_MAX, "{peak} bytes for {tokens} tokens");
}

#[test]
fn a_header_over_the_limit_is_not_kept() {
    let arrays = (0..20).fold(Raw::v3(0, 40), |raw, key| {
        raw.array(format!("k{key}"), U8, 4 << 20).zeros(4 << 20)
    });
    assert!(arrays.bytes.len() > 80_000_000);
    let peak = peak_bytes(&arrays.bytes, arrays.bytes.len() as u64);
    assert!(peak < BYTES_MAX, "{peak} bytes");
}

#[test]
fn data_are_not_kept() {
    let header = Raw::v3(1, 1)
        .architecture()
        .tensor("a", &[100_000_000], 24, 0)
        .pad(32);
    let file = header.zeros(100_000_000);
    let peak = peak_bytes(&file.bytes, file.bytes.len() as u64);
    assert!(peak < 1_000_000, "{peak} bytes");
}
