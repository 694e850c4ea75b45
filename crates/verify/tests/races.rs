//! Links and folders that are swapped while paths are opened, thousands of times: whatever is
//! opened lies inside. Where the swap fools a plain open, the test shows that too.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, code, load, model};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use verify::{Code, Resolver, Root};

const OPENS_MIN: u64 = 3_000;
const SWAPS_MIN: u64 = 5_000;

/// What the opens came to while the swapper ran.
#[derive(Debug, Default)]
struct Count {
    opened: u64,
    refused: u64,
    /// Plain opens of the same path that ended outside: the attack works.
    fooled: u64,
}

/// Swaps two entries with each other, atomically.
fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

/// Opens `path` over and over while `swap` runs in a thread; none may be one of `outside`.
fn race(folder: &Folder, resolver: Resolver, path: &str, swap: impl Fn() + Sync) -> Count {
    let root_path = folder.path().join("root");
    let root = Root::open_with(&root_path, resolver).unwrap();
    let outside = fs::metadata(folder.path().join("outside/x")).unwrap().ino();
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut count = Count::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                swap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let stopping = Stop(&stop);
        for turn in 0.. {
            if turn >= OPENS_MIN && swaps.load(Ordering::Relaxed) >= SWAPS_MIN {
                break;
            }
            open_once(&root, path, outside, &mut count);
            let plain = fs::metadata(root_path.join(path)).map(|it| it.ino());
            count.fooled += u64::from(plain.is_ok_and(|inode| inode == outside));
        }
        drop(stopping);
    });
    count
}

/// Ends the swapper also when an assertion fails.
struct Stop<'flag>(&'flag AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn open_once(root: &Root, path: &str, outside: u64, count: &mut Count) {
    match load(root, path) {
        Ok(verified) => {
            assert_ne!(verified.facts().ino, outside, "an open led outside");
            count.opened += 1;
        }
        Err(refusal) => {
            let code = refusal.code;
            let honest = matches!(
                code,
                Code::PathTraversal | Code::NotFound | Code::Io | Code::ChangedWhileRead
            );
            assert!(honest, "{refusal}");
            count.refused += 1;
        }
    }
}

fn field() -> (Folder, impl Fn(&str) -> PathBuf) {
    let folder = Folder::new();
    let path = folder.path().to_owned();
    let at = move |name: &str| path.join(name);
    for name in ["root", "root/a", "root/a/b", "outside", "outside/parking"] {
        fs::create_dir(at(name)).unwrap();
    }
    let bytes = model(200);
    for name in ["outside/x", "root/x", "root/a/x", "root/a/b/x"] {
        folder.file(name, &bytes);
    }
    (folder, at)
}

/// The kernel's resolver where a sandbox allows it, and the walk in any case.
fn resolvers() -> [Resolver; 2] {
    [
        Root::open(&std::env::temp_dir()).unwrap().resolver(),
        Resolver::Walk,
    ]
}

#[test]
fn a_folder_swapped_with_a_link_to_outside() {
    for resolver in resolvers() {
        let (folder, at) = field();
        symlink("../outside", at("root/link")).unwrap();
        let count = race(&folder, resolver, "a/x", || {
            exchange(&at("root/a"), &at("root/link"));
        });
        assert!(
            count.opened > 0 && count.refused > 0,
            "{count:?} by {resolver:?}"
        );
        assert!(
            count.fooled > 0,
            "the attack must work on others: {count:?}"
        );
    }
}

#[test]
fn a_file_swapped_with_a_link_to_outside() {
    for resolver in resolvers() {
        let (folder, at) = field();
        symlink("../outside/x", at("root/link")).unwrap();
        let count = race(&folder, resolver, "x", || {
            exchange(&at("root/x"), &at("root/link"));
        });
        assert!(
            count.opened > 0 && count.refused > 0,
            "{count:?} by {resolver:?}"
        );
        assert!(
            count.fooled > 0,
            "the attack must work on others: {count:?}"
        );
    }
}

#[test]
fn a_link_that_is_pointed_elsewhere() {
    for resolver in resolvers() {
        let (folder, at) = field();
        symlink("a", at("root/link")).unwrap();
        symlink(folder.path().join("outside"), at("root/evil")).unwrap();
        let count = race(&folder, resolver, "link/x", || {
            exchange(&at("root/link"), &at("root/evil"));
        });
        assert!(
            count.opened > 0 && count.refused > 0,
            "{count:?} by {resolver:?}"
        );
        assert!(
            count.fooled > 0,
            "the attack must work on others: {count:?}"
        );
    }
}

#[test]
fn a_folder_moved_out_while_the_path_climbs_from_it() {
    // From outside/parking/b the same climb ends at outside/x.
    for resolver in resolvers() {
        let (folder, at) = field();
        let path = "a/b/../b/../b/../../x";
        let count = race(&folder, resolver, path, || {
            fs::rename(at("root/a/b"), at("outside/parking/b")).unwrap();
            fs::rename(at("outside/parking/b"), at("root/a/b")).unwrap();
        });
        assert!(count.opened > 0, "{count:?} by {resolver:?}");
    }
}

#[test]
fn a_file_replaced_again_and_again_is_always_one_whole_file() {
    for resolver in resolvers() {
        let (folder, at) = field();
        let swap = || exchange(&at("root/x"), &at("root/a/x"));
        let count = race(&folder, resolver, "x", swap);
        assert!(count.opened > 0, "{count:?} by {resolver:?}");
        let root = Root::open_with(&at("root"), resolver).unwrap();
        assert!(load(&root, "x").is_ok());
        assert_eq!(code(load(&root, "../outside/x")), Code::PathTraversal);
    }
}
