//! The O(1) proof by an inode's identity: when it is used, and everything that makes it not be used.

#![cfg(target_os = "linux")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, ask, model, sha256};
use digest::{MacKey, Sha256Digest};
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, SystemTime};
use verify::{Ask, Code, Control, Guard, Guarding, Proving, Reason, Records, Refusal, Verified};

const SIZE: usize = (2 << 20) + 1024;

/// What is done to the model or its tie.
type Deed = fn(&Case);

/// A model that has lain there for more than two seconds, its digest, and a folder for records.
struct Case {
    folder: Folder,
    bytes: Vec<u8>,
    sha256: Sha256Digest,
}

impl Case {
    fn settled() -> Self {
        let case = Self::fresh();
        sleep(Duration::from_millis(2100));
        case
    }

    fn fresh() -> Self {
        let folder = Folder::new();
        let bytes = model(SIZE);
        folder.file("m", &bytes);
        let sha256 = sha256(&bytes);
        Self {
            folder,
            bytes,
            sha256,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("m")
    }

    fn tie(&self) -> PathBuf {
        let name = format!("records/{}.inode", self.sha256);
        self.folder.path().join(name)
    }

    fn ask(&self) -> Ask {
        Ask {
            expected: Some(self.sha256),
            proving: Proving {
                identity: true,
                records: Some(Records {
                    folder: self.folder.path().join("records"),
                    key: MacKey::from([1; 32]),
                    age_max: None,
                }),
                ..Proving::default()
            },
            ..ask("m")
        }
    }

    fn load(&self) -> Result<Verified, Refusal> {
        self.load_as(&self.ask())
    }

    fn load_as(&self, ask: &Ask) -> Result<Verified, Refusal> {
        verify::load(&self.folder.root(), ask, &Control::new())
    }

    /// The name of the proof that a load uses now.
    fn proof(&self) -> &'static str {
        self.load().unwrap().proven_by().as_str()
    }

    fn writer(&self) -> File {
        File::options()
            .read(true)
            .write(true)
            .open(self.path())
            .unwrap()
    }
}

#[test]
fn a_file_that_nobody_can_have_written_to_is_not_read_again() {
    let case = Case::settled();
    let first = case.load().unwrap();
    assert_eq!(first.proven_by().as_str(), "sha256");
    assert_eq!(first.guard(), Guard::Leased);
    let control = Control::new();
    let second = verify::load(&case.folder.root(), &case.ask(), &control).unwrap();
    assert_eq!(second.proven_by().as_str(), "identity");
    assert!(control.bytes_done() <= 256, "{}", control.bytes_done());
    assert_eq!(second.sha256(), case.sha256);
    assert_eq!(second.blake3(), first.blake3());
    assert_eq!(
        second.header().header_bytes(),
        first.header().header_bytes()
    );
    let recorded = second.proven_by().recorded().unwrap();
    assert!(recorded.elapsed().unwrap() < Duration::from_secs(60));
    assert_eq!(second.guard(), Guard::Leased);
    // The tile values come when they are wanted, and check what is read.
    let read = second.read(300_000..300_010, &Control::new()).unwrap();
    assert_eq!(read, case.bytes[300_000..300_010]);
}

#[test]
fn it_is_used_only_where_it_was_asked_for() {
    let case = Case::settled();
    case.load().unwrap();
    let proving = case.ask().proving;
    let without = |proving: Proving| {
        let verified = case
            .load_as(&Ask {
                proving,
                ..case.ask()
            })
            .unwrap();
        verified.proven_by().as_str()
    };
    let unasked = Proving {
        identity: false,
        ..proving.clone()
    };
    assert_eq!(without(unasked), "tiles");
    let always = Proving {
        flat_always: true,
        ..proving.clone()
    };
    assert_eq!(without(always), "sha256");
    assert_eq!(
        without(Proving {
            records: None,
            ..proving
        }),
        "sha256"
    );
    let strict = gguf::Policy {
        strict: true,
        ..gguf::Policy::default()
    };
    let strict = case
        .load_as(&Ask {
            policy: strict,
            ..case.ask()
        })
        .unwrap();
    assert_eq!(strict.proven_by().as_str(), "tiles");
    let unpromised = case
        .load_as(&Ask {
            expected: None,
            ..case.ask()
        })
        .unwrap();
    assert_eq!(unpromised.proven_by().as_str(), "sha256");
    for best in [Guard::Pinned, Guard::Sealed] {
        let guarding = Guarding {
            best: Some(best),
            least: best,
        };
        let verified = case
            .load_as(&Ask {
                guarding,
                ..case.ask()
            })
            .unwrap();
        assert_eq!(verified.proven_by().as_str(), "tiles", "{best:?}");
    }
    assert_eq!(case.proof(), "identity");
}

/// What is noticed behind the header would be missing from a report that read the header alone.
#[test]
fn a_file_whose_data_gave_findings_is_read_each_time() {
    let mut case = Case::fresh();
    case.bytes = model(SIZE - 24);
    case.bytes.extend([1; 24]);
    case.sha256 = sha256(&case.bytes);
    case.folder.file("m", &case.bytes);
    sleep(Duration::from_millis(2100));
    let first = case.load().unwrap();
    assert!(first.header().findings_count() > 0);
    let second = case.load().unwrap();
    assert_eq!(second.proven_by().as_str(), "tiles");
    assert_eq!(
        second.header().findings_count(),
        first.header().findings_count()
    );
}

#[test]
fn every_change_has_the_file_read_again() {
    let changes: [(&str, Deed); 5] = [
        ("a write", |case| {
            case.writer().write_all_at(&[case.bytes[9]], 9).unwrap();
        }),
        ("new times", |case| {
            let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
            case.writer().set_times(times).unwrap();
        }),
        ("other permissions", |case| {
            fs::set_permissions(case.path(), fs::Permissions::from_mode(0o600)).unwrap();
        }),
        ("a copy in its place", |case| {
            fs::copy(case.path(), case.folder.path().join("copy")).unwrap();
            fs::rename(case.folder.path().join("copy"), case.path()).unwrap();
        }),
        ("another name", |case| {
            fs::hard_link(case.path(), case.folder.path().join("other")).unwrap();
        }),
    ];
    let case = Case::settled();
    case.load().unwrap();
    for (what, change) in changes {
        assert_eq!(case.proof(), "identity", "before {what}");
        change(&case);
        assert_eq!(case.proof(), "tiles", "{what}");
        // It is quiet again only after two seconds.
        assert_eq!(case.proof(), "tiles", "{what}");
        sleep(Duration::from_millis(2100));
        assert_eq!(case.proof(), "tiles", "{what}, which is tied now");
    }
    // Times that are set back do not bring the first tie back: the change itself has a time that nobody sets.
    let before = fs::metadata(case.path()).unwrap();
    case.writer().write_all_at(b"evil", 500).unwrap();
    case.writer()
        .set_times(FileTimes::new().set_modified(before.modified().unwrap()))
        .unwrap();
    assert_eq!(common::code(case.load()), Code::DigestMismatch);
}

#[test]
fn a_file_that_was_written_a_moment_ago_is_not_tied() {
    let case = Case::fresh();
    for _ in 0..2 {
        case.load().unwrap();
    }
    assert!(!case.tie().exists());
    sleep(Duration::from_millis(2100));
    assert_eq!(case.proof(), "tiles");
    assert!(case.tie().exists());
    assert_eq!(case.proof(), "identity");
}

#[test]
fn whoever_has_it_open_for_writing_has_it_read_again() {
    let case = Case::settled();
    let writer = case.writer();
    case.load().unwrap();
    assert!(!case.tie().exists(), "it was never leased");
    drop(writer);
    case.load().unwrap();
    assert_eq!(case.proof(), "identity");
    let writer = case.writer();
    let verified = case.load().unwrap();
    assert_eq!(verified.proven_by().as_str(), "tiles");
    assert_eq!(verified.guard(), Guard::Pinned);
    drop(writer);
    assert_eq!(case.proof(), "identity");
}

#[test]
fn forged_cut_and_foreign_ties_are_ignored_loudly() {
    let spoils: [(Reason, Deed); 4] = [
        (Reason::Forged, |case| {
            let mut tie = fs::read(case.tie()).unwrap();
            tie[130] ^= 1;
            fs::write(case.tie(), tie).unwrap();
        }),
        (Reason::Length, |case| {
            let tie = fs::read(case.tie()).unwrap();
            fs::write(case.tie(), &tie[..200]).unwrap();
        }),
        (Reason::Forged, |case| {
            fs::write(case.tie(), [0; 4096]).unwrap();
        }),
        (Reason::Forged, |case| {
            // Another host's tie, which has another key.
            let ask = case.ask();
            let records = ask.proving.records.clone().map(|records| Records {
                key: MacKey::from([2; 32]),
                ..records
            });
            fs::remove_file(case.tie()).unwrap();
            let proving = Proving {
                records,
                flat_always: false,
                ..ask.proving.clone()
            };
            case.load_as(&Ask { proving, ..ask }).unwrap();
        }),
    ];
    let case = Case::settled();
    case.load().unwrap();
    for (reason, spoil) in spoils {
        assert_eq!(case.proof(), "identity");
        spoil(&case);
        let verified = case.load().unwrap();
        assert_ne!(verified.proven_by().as_str(), "identity", "{reason:?}");
        let ignored = verified.records().ignored.as_ref().expect("it is told");
        assert_eq!(ignored.reason, reason);
    }
}

#[test]
fn a_tie_that_is_too_old_is_ignored_and_made_anew() {
    let case = Case::settled();
    case.load().unwrap();
    let mut ask = case.ask();
    ask.proving.records = ask.proving.records.map(|records| Records {
        age_max: Some(Duration::from_millis(1)),
        ..records
    });
    // Two loads may end within the same millisecond.
    sleep(Duration::from_millis(50));
    let verified = case.load_as(&ask).unwrap();
    assert_eq!(verified.proven_by().as_str(), "sha256");
    let reason = verified.records().ignored.as_ref().map(|it| it.reason);
    assert_eq!(reason, Some(Reason::Stale));
    assert_eq!(case.proof(), "identity");
}

#[test]
fn a_tie_under_another_models_name_is_ignored() {
    let case = Case::settled();
    case.load().unwrap();
    let other = model(SIZE + 1);
    case.folder.file("other", &other);
    let theirs = case
        .tie()
        .with_file_name(format!("{}.inode", sha256(&other)));
    fs::copy(case.tie(), theirs).unwrap();
    let ask = Ask {
        path: b"other".to_vec(),
        expected: Some(sha256(&other)),
        ..case.ask()
    };
    let verified = case.load_as(&ask).unwrap();
    assert_eq!(verified.proven_by().as_str(), "sha256");
    let reason = verified.records().ignored.as_ref().map(|it| it.reason);
    assert_eq!(reason, Some(Reason::OtherModel));
}

/// The record's values have gone: those who read have all bytes proven anew, those who do not need nothing.
#[test]
fn without_its_values_a_model_is_loaded_and_read_all_the_same() {
    let case = Case::settled();
    case.load().unwrap();
    fs::remove_file(case.tie().with_extension("record")).unwrap();
    let verified = case.load().unwrap();
    assert_eq!(verified.proven_by().as_str(), "identity");
    assert!(verified.blake3().is_some());
    let read = verified.read(0..4, &Control::new()).unwrap();
    assert_eq!(read, b"GGUF");
}

/// An inode number that is used again: the second file differs in generation or birth, whatever its size.
#[test]
fn another_file_under_the_same_inode_number_is_read() {
    let case = Case::settled();
    case.load().unwrap();
    let number = fs::metadata(case.path()).unwrap().ino();
    let mut used_again = 0;
    for _ in 0..200 {
        fs::remove_file(case.path()).unwrap();
        case.folder.file("m", &case.bytes);
        used_again += u32::from(fs::metadata(case.path()).unwrap().ino() == number);
        assert_eq!(case.proof(), "tiles");
    }
    println!("{used_again} of 200 files had the number of the first");
}
