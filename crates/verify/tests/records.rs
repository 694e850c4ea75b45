//! Records in the whole gate: which proof a load used, what it refused, and what became of bad records.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, ask, model, sha256};
use digest::{MacKey, Sha256Digest};
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;
use verify::{Ask, Code, Control, ProvenBy, Proving, Reason, Records, Refusal, Verified, load};

const TILE: usize = 256 * 1024;
const SIZE: usize = 9 * TILE + 1000;

/// A model, its digest, and a folder for records.
struct Case {
    folder: Folder,
    bytes: Vec<u8>,
    sha256: Sha256Digest,
}

impl Case {
    fn new() -> Self {
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

    fn records(&self) -> Records {
        Records {
            folder: self.folder.path().join("records"),
            key: MacKey::from([1; 32]),
            age_max: None,
        }
    }

    fn record(&self) -> PathBuf {
        self.records()
            .folder
            .join(format!("{}.record", self.sha256))
    }

    fn ask(&self) -> Ask {
        Ask {
            expected: Some(self.sha256),
            proving: Proving {
                records: Some(self.records()),
                threads: 3,
                ..Proving::default()
            },
            ..ask("m")
        }
    }

    fn load(&self, ask: &Ask) -> Result<Verified, Refusal> {
        load(&self.folder.root(), ask, &Control::new())
    }

    fn change(&self, at: usize) {
        let file = fs::File::options()
            .write(true)
            .open(self.folder.path().join("m"))
            .unwrap();
        file.write_at(&[self.bytes[at] ^ 1], at as u64).unwrap();
    }
}

fn by_tiles(verified: &Verified) -> bool {
    matches!(verified.proven_by(), ProvenBy::Tiles { .. })
}

#[test]
fn the_first_load_proves_and_the_next_ones_prove_by_tiles() {
    let case = Case::new();
    let first = case.load(&case.ask()).unwrap();
    assert_eq!(first.proven_by(), ProvenBy::Sha256);
    assert_eq!(first.records().stored, Some(Ok(())));
    for threads in [0, 1, 2, 7, 100] {
        let mut ask = case.ask();
        ask.proving.threads = threads;
        let next = case.load(&ask).unwrap();
        assert!(by_tiles(&next), "{threads} threads");
        assert_eq!(next.sha256(), case.sha256);
        assert_eq!(
            next.tiles().unwrap().values(),
            first.tiles().unwrap().values()
        );
        assert_eq!(next.header().tensor_count(), first.header().tensor_count());
        assert_eq!(
            (&next.records().stored, &next.records().ignored),
            (&None, &None)
        );
        assert_eq!(
            next.read(5..SIZE as u64, &Control::new()).unwrap(),
            &case.bytes[5..]
        );
    }
}

#[test]
fn no_expected_digest_means_no_use_of_a_record_but_a_new_one() {
    let case = Case::new();
    let nothing_expected = Ask {
        expected: None,
        ..case.ask()
    };
    for stored in [Some(Ok(())), None] {
        let verified = case.load(&nothing_expected).unwrap();
        assert!(!by_tiles(&verified));
        assert_eq!(verified.records().stored, stored);
    }
    assert!(by_tiles(&case.load(&case.ask()).unwrap()));
}

#[test]
fn a_host_that_must_gets_the_sha256_each_time() {
    let case = Case::new();
    case.load(&case.ask()).unwrap();
    let mut ask = case.ask();
    ask.proving.flat_always = true;
    let verified = case.load(&ask).unwrap();
    assert!(!by_tiles(&verified));
    assert_eq!(verified.records().stored, None);
}

#[test]
fn a_change_in_any_tile_is_a_mismatch_at_the_first_of_them() {
    let case = Case::new();
    case.load(&case.ask()).unwrap();
    for tile in (0..10).rev() {
        case.change(tile * TILE + 999);
        let refusal = case.load(&case.ask()).unwrap_err();
        assert_eq!(refusal.code, Code::DigestMismatch);
        assert_eq!(refusal.offset, Some((tile * TILE) as u64));
        assert_eq!(refusal.expected, Some(case.sha256.to_string()));
        assert!(!refusal.retriable);
    }
}

#[test]
fn another_size_is_a_mismatch_before_anything_is_read() {
    let case = Case::new();
    case.load(&case.ask()).unwrap();
    for size in [SIZE - 1, SIZE + 1, 5 * TILE] {
        let file = fs::File::options()
            .write(true)
            .open(case.folder.path().join("m"))
            .unwrap();
        file.set_len(size as u64).unwrap();
        let control = Control::new();
        let refusal = load(&case.folder.root(), &case.ask(), &control).unwrap_err();
        assert_eq!(refusal.code, Code::DigestMismatch);
        assert_eq!(control.bytes_done(), 0);
    }
}

#[test]
fn a_file_of_one_block_is_not_recorded() {
    let case = Case::new();
    let bytes = model(1 << 20);
    case.folder.file("m", &bytes);
    let small = Ask {
        expected: Some(sha256(&bytes)),
        ..case.ask()
    };
    let verified = case.load(&small).unwrap();
    assert_eq!(verified.records().stored, None);
    assert!(!case.records().folder.exists());
}

#[test]
fn a_record_that_is_not_believed_is_told_of_and_replaced() {
    let case = Case::new();
    case.load(&case.ask()).unwrap();
    let sound = fs::read(case.record()).unwrap();
    let flipped = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (bytes, reason) in [
        (flipped(16), Reason::Version),
        (flipped(50), Reason::Forged),
        (flipped(200), Reason::Values),
        (sound[..300].to_vec(), Reason::Length),
        (Vec::new(), Reason::Length),
    ] {
        fs::write(case.record(), bytes).unwrap();
        let verified = case.load(&case.ask()).unwrap();
        assert_eq!(verified.proven_by(), ProvenBy::Sha256);
        assert_eq!(verified.records().ignored.as_ref().unwrap().reason, reason);
        assert_eq!(verified.records().stored, Some(Ok(())));
        assert!(by_tiles(&case.load(&case.ask()).unwrap()));
    }
}

#[test]
fn a_bad_record_does_not_save_a_bad_file() {
    let case = Case::new();
    case.load(&case.ask()).unwrap();
    let mut bytes = fs::read(case.record()).unwrap();
    bytes[60] ^= 1;
    fs::write(case.record(), bytes).unwrap();
    case.change(SIZE - 1);
    let refusal = case.load(&case.ask()).unwrap_err();
    assert_eq!(refusal.code, Code::DigestMismatch);
    assert!(refusal.actual.is_some(), "the full way names what it found");
    assert_eq!(refusal.records.ignored.unwrap().reason, Reason::Forged);
    assert_eq!(refusal.records.stored, None);
}

#[test]
fn a_stale_record_is_ignored_and_renewed() {
    let case = Case::new();
    case.load(&case.ask()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let mut ask = case.ask();
    ask.proving.records = Some(Records {
        age_max: Some(Duration::from_millis(250)),
        ..case.records()
    });
    let verified = case.load(&ask).unwrap();
    assert_eq!(
        verified.records().ignored.as_ref().unwrap().reason,
        Reason::Stale
    );
    assert_eq!(verified.records().stored, Some(Ok(())));
}

#[test]
fn a_folder_that_cannot_be_used_costs_the_record_and_not_the_load() {
    let case = Case::new();
    let folder = case.records().folder;
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let verified = case.load(&case.ask()).unwrap();
    assert_eq!(
        verified.records().ignored.as_ref().unwrap().reason,
        Reason::Folder
    );
    assert!(matches!(verified.records().stored, Some(Err(_))));
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "a file").unwrap();
    let verified = case.load(&case.ask()).unwrap();
    assert!(matches!(verified.records().stored, Some(Err(_))));
}

#[test]
fn the_format_is_judged_anew_under_a_record() {
    let case = Case::new();
    case.load(&case.ask()).unwrap();
    let mut ask = case.ask();
    ask.policy.limits.tensors_max = 0;
    let refusal = case.load(&ask).unwrap_err();
    assert_eq!(refusal.code, Code::Gguf(gguf::Code::LimitExceeded));
    assert_eq!(refusal.sha256, Some(case.sha256));
}

#[test]
fn many_loads_with_one_record_at_once() {
    let case = Case::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let verified = case.load(&case.ask()).unwrap();
                    assert_eq!(verified.sha256(), case.sha256);
                    assert!(!matches!(verified.records().stored, Some(Err(_))));
                    assert_eq!(verified.records().ignored, None);
                }
            });
        }
    });
    assert!(by_tiles(&case.load(&case.ask()).unwrap()));
}

#[test]
fn a_proof_by_tiles_can_be_cancelled() {
    let case = Case::new();
    case.load(&case.ask()).unwrap();
    let control = Control::new();
    control.cancel();
    let refusal = load(&case.folder.root(), &case.ask(), &control).unwrap_err();
    assert_eq!(refusal.code, Code::Aborted);
}

#[test]
fn bytes_that_changed_after_the_load_are_not_handed_out() {
    let case = Case::new();
    let verified = case.load(&case.ask()).unwrap();
    case.change(3 * TILE);
    let control = Control::new();
    let refusal = verified
        .read(3 * TILE as u64 + 5..3 * TILE as u64 + 6, &control)
        .unwrap_err();
    assert_eq!(refusal.code, Code::ChangedAfterCheck);
    assert_eq!(refusal.offset, Some(3 * TILE as u64));
    assert_eq!(verified.read(0..9, &control).unwrap(), &case.bytes[..9]);
}
