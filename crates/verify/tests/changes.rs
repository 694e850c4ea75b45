//! Files that are changed while they are read. A consumer is the hook that makes it certain: it
//! runs between two blocks, when the ring has read ahead by eight blocks at most.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, ask, sha256};
use std::fs::{self, File, FileTimes};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use verify::{Block, Code, Consumer, Control, Refusal, Verified, load_into};

const SIZE: u64 = 32 << 20;

/// Does something once, at the third block.
struct At3<F: FnMut()>(F);

impl<F: FnMut()> Consumer for At3<F> {
    fn take(&mut self, block: &Block) {
        if block.offset() == 3 << 20 {
            (self.0)();
        }
    }
}

/// Loads a model while `change` is done to it.
fn load_while(change: impl Fn(&Path)) -> Result<Verified, Refusal> {
    let folder = Folder::new();
    let path = folder.sparse_model("m", SIZE);
    // Kernels before 6.13 tell times apart by ticks of up to 10 ms.
    sleep(Duration::from_millis(20));
    let mut hook = At3(|| change(&path));
    load_into(&folder.root(), &ask("m"), &Control::new(), &mut [&mut hook])
}

fn writer(path: &Path) -> File {
    File::options().write(true).open(path).unwrap()
}

#[test]
fn nothing_done_is_nothing_refused() {
    assert!(load_while(|path| drop(writer(path))).is_ok());
}

#[test]
fn truncated() {
    let refusal = load_while(|path| writer(path).set_len(100).unwrap()).unwrap_err();
    assert_eq!(refusal.code, Code::ChangedWhileRead);
    assert!(refusal.offset.is_some());
    assert_eq!(refusal.sha256, None);
    assert!(refusal.retriable);
    assert_eq!(refusal.facts.unwrap().size, SIZE);
}

#[test]
fn truncated_behind_the_reader() {
    // The last byte goes before the reader is there.
    let refusal = load_while(|path| writer(path).set_len(SIZE - 1).unwrap()).unwrap_err();
    assert_eq!(refusal.code, Code::ChangedWhileRead);
    assert_eq!(refusal.offset, Some(SIZE - 1));
}

#[test]
fn appended() {
    let append = |path: &Path| {
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(b"x").unwrap();
    };
    let refusal = load_while(append).unwrap_err();
    assert_eq!(refusal.code, Code::ChangedWhileRead);
    // Everything was hashed, so the digest of what was read is told.
    assert!(refusal.sha256.is_some());
    assert!(refusal.message.contains("size"));
}

#[test]
fn rewritten_in_place() {
    for offset in [0, SIZE - 1] {
        let rewrite = |path: &Path| writer(path).write_all_at(b"G", offset).unwrap();
        let refusal = load_while(rewrite).unwrap_err();
        assert_eq!(refusal.code, Code::ChangedWhileRead, "offset {offset}");
    }
}

#[test]
fn rewritten_with_the_time_set_back() {
    let rewrite = |path: &Path| {
        let file = writer(path);
        let modified = file.metadata().unwrap().modified().unwrap();
        file.write_all_at(b"x", SIZE - 1).unwrap();
        file.set_times(FileTimes::new().set_modified(modified))
            .unwrap();
    };
    assert_eq!(
        load_while(rewrite).unwrap_err().code,
        Code::ChangedWhileRead
    );
}

#[test]
fn cut_and_grown_back_with_holes() {
    let cut = |path: &Path| {
        let file = writer(path);
        file.set_len(0).unwrap();
        file.set_len(SIZE).unwrap();
    };
    assert_eq!(load_while(cut).unwrap_err().code, Code::ChangedWhileRead);
}

#[test]
fn replaced_by_another_file_leaves_the_inode_but_its_name_is_gone() {
    // The bytes are safe, but ctime moved: a changed name cannot be told from a changed content.
    let replace = |path: &Path| {
        let other = path.with_extension("other");
        fs::write(&other, b"evil").unwrap();
        fs::rename(&other, path).unwrap();
    };
    assert_eq!(
        load_while(replace).unwrap_err().code,
        Code::ChangedWhileRead
    );
}

#[test]
fn a_change_is_told_before_a_wrong_digest() {
    let folder = Folder::new();
    let path = folder.sparse_model("m", SIZE);
    sleep(Duration::from_millis(20));
    let mut ask = ask("m");
    ask.expected = Some(sha256(b"another model"));
    let mut hook = At3(|| writer(&path).write_all_at(b"x", 1 << 20).unwrap());
    let answer = load_into(&folder.root(), &ask, &Control::new(), &mut [&mut hook]);
    assert_eq!(answer.unwrap_err().code, Code::ChangedWhileRead);
}

/// Cancels when it goes out of scope, by a failed assertion too: threads that wait for it then end.
struct CancelAtEnd<'control>(&'control Control);

impl Drop for CancelAtEnd<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[test]
fn a_writer_that_never_rests_never_gets_a_verdict() {
    let folder = Folder::new();
    let path = folder.sparse_model("m", SIZE);
    let root = folder.root();
    let control = Control::new();
    let (wrote, writing) = std::sync::mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        let _ending = CancelAtEnd(&control);
        scope.spawn(|| {
            let file = writer(&path);
            let mut turn = 0_u64;
            while !control.is_cancelled() {
                file.write_all_at(b"xx", (turn * 4_099) % (SIZE - 2))
                    .unwrap();
                turn += 1;
                let _: Result<(), _> = wrote.try_send(());
            }
        });
        // A load that is done before the writer has come may well be given its verdict.
        writing.recv().unwrap();
        for _ in 0..10 {
            let answer = verify::load(&root, &ask("m"), &Control::new());
            assert!(answer.is_err(), "a verdict on a moving file");
        }
    });
}
