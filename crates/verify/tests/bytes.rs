//! Pushed bytes: the same verdict as of a file with the same content, however they are pushed.

#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, MODEL_BYTES_MIN, code, load, model, sha256};
use proptest::prelude::*;
use std::sync::mpsc::channel;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};
use verify::{BytesPass, Code, Control, Refusal, VerifiedBytes};

const BLOCK: usize = 1 << 20;

fn start(total: usize) -> BytesPass {
    BytesPass::start(total as u64, None, gguf::Policy::default(), Control::new())
}

/// Pushes everything, in pieces of the given lengths over and over.
fn push(pass: &BytesPass, bytes: &[u8], lengths: &[usize]) {
    let mut lengths = lengths.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let piece = rest.len().min(*lengths.next().unwrap());
        let taken = pass.offer(rest.get(..piece).unwrap());
        assert!(taken <= piece);
        rest = rest.get(taken..).unwrap();
        if taken < piece {
            pass.wait_room();
        }
    }
}

fn judge(bytes: &[u8], lengths: &[usize]) -> Result<VerifiedBytes, Refusal> {
    let pass = start(bytes.len());
    push(&pass, bytes, lengths);
    pass.finish()
}

#[test]
fn a_good_model_is_verified() {
    let bytes = model(10 * BLOCK + 3);
    let expected = Some(sha256(&bytes));
    let control = Control::new();
    let policy = gguf::Policy::default();
    let pass = BytesPass::start(bytes.len() as u64, expected, policy, control.clone());
    push(&pass, &bytes, &[usize::MAX]);
    let verified = pass.finish().unwrap();
    assert_eq!(verified.sha256(), sha256(&bytes));
    assert_eq!(verified.size(), bytes.len() as u64);
    assert_eq!(verified.header().architecture(), Some("test"));
    assert_eq!(verified.implementation(), digest::sha256_implementation());
    assert!(verified.digest_expected() && verified.seconds() > 0.0);
    assert_eq!(control.bytes_done(), control.bytes_total());
    assert!(!control.is_cancelled());
}

#[test]
fn the_verdicts_are_those_of_a_file() {
    let bytes = model(200);
    let wrong = Some(sha256(b"another"));
    let pass = BytesPass::start(200, wrong, gguf::Policy::default(), Control::new());
    push(&pass, &bytes, &[7]);
    let refusal = pass.finish().unwrap_err();
    assert_eq!(refusal.code, Code::DigestMismatch);
    assert_eq!(refusal.actual, Some(sha256(&bytes).to_string()));
    let refusal = judge(b"PK\x03\x04", &[1]).unwrap_err();
    assert_eq!(refusal.code, Code::Gguf(gguf::Code::NotGguf));
    assert_eq!(refusal.sha256, Some(sha256(b"PK\x03\x04")));
    let refusal = judge(b"", &[1]).unwrap_err();
    assert!(matches!(refusal.code, Code::Gguf(_)));
    assert_eq!(refusal.sha256, Some(sha256(b"")));
}

#[test]
fn fewer_bytes_than_announced_are_a_change() {
    for (total, pushed) in [
        (1, 0),
        (200, 199),
        (3 * BLOCK, BLOCK),
        (3 * BLOCK, BLOCK + 1),
    ] {
        let pass = start(total);
        push(&pass, &vec![1; pushed], &[usize::MAX]);
        let refusal = pass.finish().unwrap_err();
        assert_eq!(refusal.code, Code::ChangedWhileRead);
        assert_eq!(refusal.offset, Some(pushed as u64));
        assert_eq!(refusal.sha256, None);
    }
}

#[test]
fn more_bytes_than_announced_are_a_change() {
    for (total, pushed) in [(0, 1), (200, 201), (200, 20 * BLOCK), (BLOCK, BLOCK + 1)] {
        let pass = start(total);
        push(&pass, &model(pushed.max(200))[..pushed], &[usize::MAX]);
        let refusal = pass.finish().unwrap_err();
        assert_eq!(refusal.code, Code::ChangedWhileRead, "{pushed} of {total}");
        assert_eq!(refusal.offset, Some(total as u64));
    }
}

#[test]
fn an_offer_takes_no_more_than_the_ring_holds_and_does_not_wait() {
    let policy = gguf::Policy::default();
    let pass = BytesPass::start(1 << 40, None, policy, Control::new());
    let bytes = vec![0; 512 * BLOCK];
    let taken = pass.offer(&bytes);
    // Eight blocks, and those that were hashed meanwhile: copying is faster than hashing.
    assert!((8 * BLOCK..bytes.len()).contains(&taken), "{taken}");
}

#[test]
fn after_a_wait_for_room_there_is_room() {
    let bytes = model(100 * BLOCK);
    let pass = start(bytes.len());
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let taken = pass.offer(rest);
        assert!(taken > 0, "the wait ended too early");
        rest = &rest[taken..];
        pass.wait_room();
    }
    assert_eq!(pass.finish().unwrap().sha256(), sha256(&bytes));
}

#[test]
fn the_callers_memory_does_not_matter_after_the_offer() {
    let bytes = model(5 * BLOCK);
    let pass = start(bytes.len());
    let mut window = vec![0; 3 * BLOCK / 2];
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let count = rest.len().min(window.len());
        window[..count].copy_from_slice(&rest[..count]);
        let taken = pass.offer(&window[..count]);
        window.fill(0xEE);
        rest = &rest[taken..];
        pass.wait_room();
    }
    assert_eq!(pass.finish().unwrap().sha256(), sha256(&bytes));
}

#[test]
fn bytes_can_be_copied_by_a_function() {
    let bytes = model(3 * BLOCK + 5);
    let pass = start(bytes.len());
    let mut done = 0;
    while done < bytes.len() {
        let rest = &bytes[done..];
        done += pass.offer_from(rest.len(), &mut |start, space| {
            space.copy_from_slice(&rest[start..start + space.len()]);
        });
        pass.wait_room();
    }
    assert_eq!(pass.finish().unwrap().sha256(), sha256(&bytes));
}

#[test]
fn cancelling_ends_every_wait_at_once() {
    let control = Control::new();
    let policy = gguf::Policy::default();
    let pass = BytesPass::start(1 << 40, None, policy, control.clone());
    scope(|scope| {
        let waiting = scope.spawn(|| {
            let megabyte = vec![0; 1 << 20];
            // Whoever pushes without end is let go too: bytes are taken and thrown away.
            while !control.is_cancelled() {
                pass.offer(&megabyte);
                pass.wait_room();
            }
            Instant::now()
        });
        sleep(Duration::from_millis(50));
        let cancelled = Instant::now();
        control.cancel();
        let waited = waiting.join().unwrap() - cancelled;
        assert!(waited < Duration::from_secs(1), "{waited:?}");
    });
    assert_eq!(pass.offer(&vec![0; 1 << 24]), 1 << 24);
    pass.wait_room();
    let refusal = pass.finish().unwrap_err();
    assert_eq!(refusal.code, Code::Aborted);
}

#[test]
fn a_cancelled_pass_is_aborted_whatever_is_pushed_afterwards() {
    let control = Control::new();
    let policy = gguf::Policy::default();
    let pass = BytesPass::start(200, None, policy, control.clone());
    control.cancel();
    assert_eq!(pass.offer(&[0; 1_000]), 1_000);
    assert_eq!(code(pass.finish()), Code::Aborted);
}

#[test]
fn any_announced_size_is_only_a_number() {
    let policy = gguf::Policy::default();
    for total in [u64::MAX, u64::MAX - 1, i64::MAX as u64] {
        let pass = BytesPass::start(total, None, policy, Control::new());
        pass.offer(&model(200));
        assert_eq!(code(pass.finish()), Code::ChangedWhileRead);
    }
}

#[test]
fn a_cancel_while_no_bytes_come_ends_the_finish() {
    let control = Control::new();
    let policy = gguf::Policy::default();
    let pass = BytesPass::start(1 << 40, None, policy, control.clone());
    pass.offer(&[0; 100]);
    control.cancel();
    assert_eq!(code(pass.finish()), Code::Aborted);
}

#[test]
fn dropping_a_pass_ends_its_thread() {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for _ in 0..200 {
            let pass = start(100 * BLOCK);
            pass.offer(&vec![0; 2 * BLOCK]);
        }
        sender.send(()).unwrap();
    });
    receiver.recv_timeout(Duration::from_secs(30)).unwrap();
    #[cfg(target_os = "linux")]
    assert_no_judges_left();
}

#[cfg(target_os = "linux")]
fn assert_no_judges_left() {
    let judges = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read(task.ok()?.path().join("comm")).ok());
        names
            .filter(|name| name.starts_with(b"model-judge"))
            .count()
    };
    // Other tests of this program have judges too, but not for long.
    let started = Instant::now();
    while judges() > 8 {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{} judges",
            judges()
        );
        sleep(Duration::from_millis(5));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pushed_bytes_and_a_file_get_the_same_verdict(
        size in prop_oneof![0..700_usize, BLOCK - 3..BLOCK + 3, 2 * BLOCK..10 * BLOCK],
        lengths in prop::collection::vec(1..3 * BLOCK, 1..6),
        flip in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = model(size.max(usize::try_from(MODEL_BYTES_MIN).unwrap()));
        bytes.truncate(size);
        if let (Some(flip), false) = (flip, bytes.is_empty()) {
            let at = flip.index(bytes.len().min(128));
            bytes[at] ^= 0x10;
        }
        let folder = Folder::new();
        folder.file("m", &bytes);
        let by_file = load(&folder.root(), "m").map(|it| it.sha256());
        let by_push = judge(&bytes, &lengths).map(|it| it.sha256());
        let told = |refusal: Refusal| (refusal.code, refusal.offset, refusal.field, refusal.sha256);
        prop_assert_eq!(by_push.map_err(told), by_file.map_err(told));
    }
}
