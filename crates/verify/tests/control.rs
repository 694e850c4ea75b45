//! The caller's hand on a load: cancelling takes effect at once, progress never goes back.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, ask, code};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};
use verify::{Code, Control};

/// Large enough to be still running whenever a test looks: seconds of hashing.
const LARGE: u64 = 64 << 30;

#[test]
fn cancelling_takes_effect_within_10_ms() {
    let folder = Folder::new();
    folder.sparse_model("m", LARGE);
    let root = folder.root();
    let mut waits: Vec<Duration> = (0..20)
        .map(|turn| {
            let control = Control::new();
            scope(|scope| {
                let loading = scope.spawn(|| {
                    let answer = verify::load(&root, &ask("m"), &control);
                    (code(answer), Instant::now())
                });
                while control.bytes_done() == 0 {
                    sleep(Duration::from_micros(100));
                }
                sleep(Duration::from_millis(turn));
                let cancelled = Instant::now();
                control.cancel();
                let (code, answered) = loading.join().unwrap();
                assert_eq!(code, Code::Aborted);
                answered - cancelled
            })
        })
        .collect();
    waits.sort_unstable();
    // A busy machine keeps threads waiting for a processor, which is not what is measured here.
    let quartile = waits[waits.len() / 4];
    assert!(quartile < Duration::from_millis(10), "{waits:?}");
}

#[test]
fn a_load_cancelled_beforehand_opens_nothing() {
    let folder = Folder::new();
    let control = Control::new();
    control.cancel();
    control.clone().cancel();
    let answer = verify::load(&folder.root(), &ask("missing"), &control);
    let refusal = answer.unwrap_err();
    assert_eq!(refusal.code, Code::Aborted);
    assert!(refusal.retriable && refusal.facts.is_none());
}

#[test]
fn progress_never_goes_back_and_ends_at_the_total() {
    let folder = Folder::new();
    folder.sparse_model("m", 100 << 20);
    let root = folder.root();
    let control = Control::new();
    assert_eq!((control.bytes_done(), control.bytes_total()), (0, 0));
    scope(|scope| {
        let loading = scope.spawn(|| verify::load(&root, &ask("m"), &control));
        let mut last = 0;
        let mut steps = 0;
        while !loading.is_finished() {
            let done = control.bytes_done();
            assert!(done >= last, "{done} after {last}");
            steps += u32::from(done > last);
            last = done;
            sleep(Duration::from_micros(200));
        }
        loading.join().unwrap().unwrap();
        assert!(steps > 3, "progress was seen in {steps} steps");
    });
    assert_eq!(control.bytes_done(), 100 << 20);
    assert_eq!(control.bytes_total(), 100 << 20);
}

#[test]
fn loads_beside_each_other_do_not_disturb_each_other() {
    let folder = Folder::new();
    folder.sparse_model("large", LARGE);
    folder.sparse_model("small", 5 << 20);
    let root = folder.root();
    let control = Control::new();
    scope(|scope| {
        let large = scope.spawn(|| code(verify::load(&root, &ask("large"), &control)));
        for _ in 0..5 {
            assert!(verify::load(&root, &ask("small"), &Control::new()).is_ok());
        }
        control.cancel();
        assert_eq!(large.join().unwrap(), Code::Aborted);
    });
}
