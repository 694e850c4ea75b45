//! Descriptors: none is leaked, and their want is told as what it is. The only test of its
//! program, because it counts and limits what the whole process has open.

#![cfg(target_os = "linux")]
#![allow(
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, ask, load, model};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::read_dir;
use std::thread::sleep;
use std::time::Duration;
use verify::{BytesPass, Code, Control, Resolver, Root, inspect};

fn entries(folder: &str) -> usize {
    read_dir(folder).unwrap().count()
}

/// Descriptors and threads of this process.
fn held() -> (usize, usize) {
    (entries("/proc/self/fd"), entries("/proc/self/task"))
}

#[test]
fn none_is_leaked_and_their_want_is_told() {
    let folder = Folder::new();
    folder.file("small", &model(1_000));
    folder.file("large", &model(3 << 20));
    folder.file("bad", b"PK\x03\x04");
    let roots = [Resolver::Walk, folder.root().resolver()]
        .map(|resolver| Root::open_with(folder.path(), resolver).unwrap());
    let before = held();
    for root in &roots {
        for turn in 0..500 {
            all_ways(root, turn % 10 == 0);
        }
    }
    // The thread that watches over leases looks once more before it ends.
    sleep(Duration::from_millis(500));
    assert_eq!(held(), before);
    for root in &roots {
        without_descriptors(root);
    }
}

/// Every kind of answer once.
fn all_ways(root: &Root, large_too: bool) {
    assert!(load(root, "small").is_ok());
    assert!(inspect(root, b"small", gguf::Policy::default(), &Control::new()).is_ok());
    for path in ["bad", ".", "nowhere", "../x", "small/x"] {
        assert!(load(root, path).is_err());
    }
    if large_too {
        let mut wrong = ask("large");
        wrong.expected = Some([0; 32].into());
        let refusal = verify::load(root, &wrong, &Control::new()).unwrap_err();
        assert_eq!(refusal.code, Code::DigestMismatch);
        assert!(load(root, "large").is_ok());
        let pass = BytesPass::start(4, None, gguf::Policy::default(), Control::new());
        pass.offer(b"PK\x03\x04");
        assert!(pass.finish().is_err());
    }
}

/// Lets the process have no more descriptors than it has, for one load.
fn without_descriptors(root: &Root) {
    let usual = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(3),
        ..usual
    };
    setrlimit(Resource::Nofile, none).unwrap();
    let answer = load(root, "small");
    setrlimit(Resource::Nofile, usual).unwrap();
    let refusal = answer.unwrap_err();
    assert_eq!((refusal.code, refusal.errno), (Code::Io, Some(24)));
    assert!(refusal.retriable);
    assert!(refusal.message.contains("EMFILE"), "{refusal}");
    assert!(load(root, "small").is_ok());
}
