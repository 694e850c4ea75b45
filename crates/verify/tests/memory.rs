//! Memory stays small whatever the model's size. The only test of its program, so that the
//! process's peak is this load's.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, load};

/// The most memory that this process has had resident, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

#[test]
fn two_gigabytes_pass_through_a_few_megabytes() {
    let folder = Folder::new();
    folder.sparse_model("m", 2_000_000_000);
    let root = folder.root();
    let before = peak_bytes();
    assert!(load(&root, "m").is_ok());
    let growth = peak_bytes() - before;
    assert!(growth < 16 << 20, "{growth} bytes");
}
