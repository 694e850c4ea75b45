//! Split models, from the first part's path to the verdict on all parts.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, ask, code, load, sha256};
use digest::{MacKey, Sha256Digest};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};
use verify::{
    Ask, Block, Code, Consumer, Control, Guard, Guarding, PARTS_MAX, PartConsumer, Proving,
    Records, Refusal, SetAsk, SplitName, VerifiedSet, load_set, load_set_into, set_digest,
};

const FIRST: &str = "m-00001-of-00003.gguf";
const BAD_SPLIT: Code = Code::Gguf(gguf::Code::BadSplit);

/// A part with one tensor of so many bytes; the first has the metadata.
fn part(place: u16, count: u16, tensor_bytes: u64) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend((3 + u64::from(place == 0)).to_le_bytes());
    if place == 0 {
        text(&mut bytes, "general.architecture");
        bytes.extend(8_u32.to_le_bytes());
        text(&mut bytes, "test");
    }
    for (key, value) in [("split.no", place), ("split.count", count)] {
        text(&mut bytes, key);
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    text(&mut bytes, "split.tensors.count");
    bytes.extend(5_u32.to_le_bytes());
    bytes.extend(i32::from(count).to_le_bytes());
    text(&mut bytes, &format!("weight.{place}"));
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(tensor_bytes.to_le_bytes());
    bytes.extend(24_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    let noise = (0..tensor_bytes)
        .map(|n| ((n + u64::from(place)).wrapping_mul(0x9E37_79B1) >> 24).to_le_bytes()[0]);
    bytes.extend(noise);
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// A folder with a set of three, whose last part is the largest.
fn folder() -> (Folder, Vec<Vec<u8>>) {
    let folder = Folder::new();
    let parts: Vec<_> = (0_u16..)
        .zip([100, 1 << 20, (3 << 20) + 32])
        .map(|(place, size)| part(place, 3, size))
        .collect();
    for (place, bytes) in parts.iter().enumerate() {
        folder.file(&name(place), bytes);
    }
    (folder, parts)
}

fn name(place: usize) -> String {
    let first = SplitName::of(FIRST.as_bytes()).unwrap();
    String::from_utf8(first.part(place)).unwrap()
}

fn set_ask(path: &str) -> SetAsk {
    SetAsk {
        whole: ask(path),
        parts: Vec::new(),
    }
}

fn load_by(
    folder: &Folder,
    whole: Ask,
    parts: Vec<Option<Sha256Digest>>,
) -> Result<VerifiedSet, Refusal> {
    let ask = SetAsk { whole, parts };
    load_set(&folder.root(), &ask, &std::env::temp_dir(), &Control::new())
}

fn load_parts(folder: &Folder) -> Result<VerifiedSet, Refusal> {
    load_by(folder, ask(FIRST), Vec::new())
}

#[test]
fn a_sound_set_is_verified_part_by_part() {
    let (folder, parts) = folder();
    let digests: Vec<_> = parts.iter().map(|bytes| sha256(bytes)).collect();
    let control = Control::new();
    let ask = SetAsk {
        whole: Ask {
            expected: Some(set_digest(digests.clone())),
            ..ask(FIRST)
        },
        parts: digests.iter().copied().map(Some).collect(),
    };
    let set = load_set(&folder.root(), &ask, &std::env::temp_dir(), &control).unwrap();
    let found: Vec<_> = set.parts().iter().map(verify::Verified::sha256).collect();
    assert_eq!(found, digests);
    assert!(set.parts().iter().all(verify::Verified::digest_expected));
    let total: usize = parts.iter().map(Vec::len).sum();
    assert_eq!(
        (control.bytes_done(), control.bytes_total()),
        (total as u64, total as u64)
    );
    let lines: Vec<String> = digests.iter().map(ToString::to_string).collect();
    let lines = lines.join("\n") + "\n";
    assert_eq!(set.sha256(), sha256(lines.as_bytes()));
    assert!(set.seconds() > 0.0);
}

#[test]
fn an_engine_finds_the_verified_parts_by_their_names_whatever_becomes_of_the_paths() {
    let (folder, parts) = folder();
    let set = load_parts(&folder).unwrap();
    for place in 0..3 {
        fs::rename(folder.path().join(name(place)), folder.path().join("gone")).unwrap();
        folder.file(&name(place), b"evil");
    }
    let links = set.path().parent().unwrap().to_owned();
    assert_eq!(set.path().file_name().unwrap(), FIRST);
    assert_eq!(
        links.metadata().unwrap().permissions().mode() & 0o7777,
        0o700
    );
    for (place, bytes) in parts.iter().enumerate() {
        assert!(
            fs::read(links.join(name(place))).unwrap() == *bytes,
            "part {place}"
        );
    }
    drop(set);
    assert!(!links.exists());
}

#[test]
fn a_missing_part_is_refused_before_anything_is_read() {
    let (folder, _) = folder();
    for place in 0..3 {
        let hidden = folder.path().join("hidden");
        fs::rename(folder.path().join(name(place)), &hidden).unwrap();
        let refusal = load_parts(&folder).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.part),
            (Code::NotFound, Some(u32::try_from(place).unwrap() + 1))
        );
        assert!(
            refusal
                .message
                .starts_with(&format!("part {} of 3: ", place + 1))
        );
        fs::rename(&hidden, folder.path().join(name(place))).unwrap();
    }
    load_parts(&folder).unwrap();
}

#[test]
fn a_part_that_leads_out_of_the_root_is_an_escape() {
    let (folder, parts) = folder();
    let outside = Folder::new();
    let path = outside.file("part", &parts[1]);
    fs::remove_file(folder.path().join(name(1))).unwrap();
    symlink(path, folder.path().join(name(1))).unwrap();
    let refusal = load_parts(&folder).unwrap_err();
    assert_eq!((refusal.code, refusal.part), (Code::PathTraversal, Some(2)));
    // Inside, links are as good as files.
    fs::remove_file(folder.path().join(name(1))).unwrap();
    folder.file("blob", &parts[1]);
    symlink("blob", folder.path().join(name(1))).unwrap();
    load_parts(&folder).unwrap();
}

#[test]
fn parts_that_do_not_belong_together_are_refused_each_with_its_place() {
    let (folder, parts) = folder();
    let last = |bytes: &[u8]| {
        folder.file(&name(2), bytes);
        let refusal = load_parts(&folder).unwrap_err();
        assert_eq!(
            (refusal.part, refusal.sha256),
            (Some(3), Some(sha256(bytes)))
        );
        assert_eq!(refusal.facts.unwrap().size, bytes.len() as u64);
        refusal
    };
    // Twice the same, one of a larger set, and a file of another kind.
    assert_eq!(last(&parts[1]).field.as_deref(), Some("split.no"));
    assert_eq!(last(&part(2, 4, 100)).field.as_deref(), Some("split.count"));
    assert_eq!(last(b"PK\x03\x04").code, Code::Gguf(gguf::Code::NotGguf));
    let doubled = last(&{
        let mut bytes = parts[2].clone();
        let at = bytes.windows(8).position(|it| it == b"weight.2").unwrap();
        bytes[at + 7] = b'1';
        bytes
    });
    assert_eq!(doubled.code, Code::Gguf(gguf::Code::DuplicateTensor));
    // Exchanged with its neighbour.
    folder.file(&name(2), &parts[1]);
    folder.file(&name(1), &parts[2]);
    let refusal = load_parts(&folder).unwrap_err();
    assert_eq!((refusal.code, refusal.part), (BAD_SPLIT, Some(2)));
}

#[test]
fn digests_are_judged_before_formats_and_formats_before_the_set() {
    let (folder, parts) = folder();
    let digests: Vec<_> = parts.iter().map(|bytes| Some(sha256(bytes))).collect();
    let mut wrong = parts[2].clone();
    *wrong.last_mut().unwrap() ^= 1;
    folder.file(&name(0), b"PK\x03\x04");
    folder.file(&name(2), &wrong);
    let mut expected = digests.clone();
    expected[0] = None;
    let refusal = load_by(&folder, ask(FIRST), expected).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.part),
        (Code::DigestMismatch, Some(3))
    );
    assert_eq!(refusal.expected, digests[2].map(|it| it.to_string()));
    assert_eq!(refusal.actual, Some(sha256(&wrong).to_string()));
    // The digest of the set is a digest, too.
    let whole = Ask {
        expected: Some(set_digest(digests.into_iter().flatten())),
        ..ask(FIRST)
    };
    let refusal = load_by(&folder, whole, Vec::new()).unwrap_err();
    assert_eq!((refusal.code, refusal.part), (Code::DigestMismatch, None));
    let refusal = load_parts(&folder).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.part),
        (Code::Gguf(gguf::Code::NotGguf), Some(1))
    );
}

#[test]
fn the_limit_on_bytes_holds_for_all_parts_together() {
    let (folder, parts) = folder();
    let total: usize = parts.iter().map(Vec::len).sum();
    let most = |bytes_max: usize| {
        let whole = Ask {
            bytes_max: bytes_max as u64,
            ..ask(FIRST)
        };
        load_by(&folder, whole, Vec::new())
    };
    most(total).unwrap();
    let refusal = most(total - 1).unwrap_err();
    assert_eq!((refusal.code, refusal.part), (Code::TooLarge, None));
    assert_eq!(refusal.actual, Some(total.to_string()));
}

#[test]
fn the_guard_is_had_for_each_part_and_demanded_of_each() {
    let (folder, _) = folder();
    let guarded = |guarding| {
        load_by(
            &folder,
            Ask {
                guarding,
                ..ask(FIRST)
            },
            Vec::new(),
        )
    };
    let set = guarded(Guarding::default()).unwrap();
    assert!(set.parts().iter().all(|part| part.guard() == Guard::Leased));
    drop(set);
    let writer = fs::File::options()
        .write(true)
        .open(folder.path().join(name(1)))
        .unwrap();
    let set = guarded(Guarding::default()).unwrap();
    let guards: Vec<_> = set.parts().iter().map(verify::Verified::guard).collect();
    assert_eq!(guards, [Guard::Leased, Guard::Pinned, Guard::Leased]);
    let leased = Guarding {
        best: None,
        least: Guard::Leased,
    };
    let refusal = guarded(leased).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.part),
        (Code::GuardUnavailable, Some(2))
    );
    drop(writer);
}

#[test]
fn sealed_parts_are_what_was_hashed() {
    let (folder, parts) = folder();
    let sealed = Guarding {
        best: None,
        least: Guard::Sealed,
    };
    let set = load_by(
        &folder,
        Ask {
            guarding: sealed,
            ..ask(FIRST)
        },
        Vec::new(),
    )
    .unwrap();
    for place in 0..3 {
        folder.file(&name(place), b"evil");
    }
    let links = set.path().parent().unwrap();
    for (place, bytes) in parts.iter().enumerate() {
        assert!(fs::read(links.join(name(place))).unwrap() == *bytes);
        assert_eq!(set.parts()[place].guard(), Guard::Sealed);
    }
}

#[test]
fn bytes_are_read_out_of_parts_with_or_without_tile_values_from_the_pass() {
    let (folder, parts) = folder();
    for tiles in [true, false] {
        let proving = Proving {
            tiles,
            ..Proving::default()
        };
        let set = load_by(
            &folder,
            Ask {
                proving,
                ..ask(FIRST)
            },
            Vec::new(),
        )
        .unwrap();
        assert_eq!(set.parts()[2].tiles().is_some(), tiles);
        let window = 300_000..2_000_000;
        let read = set.parts()[2]
            .read(window.clone(), &Control::new())
            .unwrap();
        assert!(read == parts[2][300_000..2_000_000]);
    }
}

#[test]
fn a_part_changed_before_its_first_copy_gives_none() {
    let (folder, parts) = folder();
    let proving = Proving {
        tiles: false,
        ..Proving::default()
    };
    let guarding = Guarding {
        best: Some(Guard::Pinned),
        least: Guard::Pinned,
    };
    let set = load_by(
        &folder,
        Ask {
            proving,
            guarding,
            ..ask(FIRST)
        },
        Vec::new(),
    )
    .unwrap();
    let mut other = parts[2].clone();
    *other.last_mut().unwrap() ^= 1;
    // In place, as whoever may write the file can do it under this guard.
    fs::write(folder.path().join(name(2)), &other).unwrap();
    let read = set.parts()[2].read(0..1, &Control::new());
    assert_eq!(code(read), Code::ChangedAfterCheck);
    fs::write(folder.path().join(name(2)), &parts[2][..100]).unwrap();
    let read = set.parts()[2].read(0..1, &Control::new());
    assert_eq!(code(read), Code::ChangedAfterCheck);
}

#[test]
fn a_part_alone_is_no_model() {
    let (folder, parts) = folder();
    let refusal = load(&folder.root(), name(1)).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.field.as_deref()),
        (BAD_SPLIT, Some("split.count"))
    );
    assert!(refusal.message.contains("by its first part"));
    assert_eq!(refusal.sha256, Some(sha256(&parts[1])));
    folder.file("renamed.gguf", &parts[0]);
    assert_eq!(
        load(&folder.root(), "renamed.gguf").unwrap_err().code,
        BAD_SPLIT
    );
    let mut off = ask("renamed.gguf");
    off.policy.engine_safety = false;
    verify::load(&folder.root(), &off, &Control::new()).unwrap();
}

#[test]
fn what_names_no_first_part_is_refused_and_so_are_too_many() {
    let folder = Folder::new();
    let root = folder.root();
    let base: &'static Path = Path::new("/tmp");
    for path in ["m.gguf", "m-00002-of-00003.gguf"] {
        assert_eq!(
            code(load_set(&root, &set_ask(path), base, &Control::new())),
            BAD_SPLIT
        );
    }
    let many = format!("m-00001-of-{:05}.gguf", PARTS_MAX + 1);
    let refusal = load_set(&root, &set_ask(&many), base, &Control::new()).unwrap_err();
    assert_eq!(refusal.code, Code::Gguf(gguf::Code::LimitExceeded));
    let most = format!("m-00001-of-{PARTS_MAX:05}.gguf");
    assert_eq!(
        code(load_set(&root, &set_ask(&most), base, &Control::new())),
        Code::NotFound
    );
}

#[test]
fn a_folder_for_links_that_others_can_change_is_not_used() {
    let (folder, _) = folder();
    let open = Folder::new();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let ask = set_ask(FIRST);
    let refusal = load_set(&folder.root(), &ask, open.path(), &Control::new()).unwrap_err();
    assert_eq!(refusal.code, Code::Io);
    assert!(
        refusal.message.contains("can be changed by others"),
        "{refusal}"
    );
}

#[test]
fn folders_of_processes_that_are_gone_are_swept_and_others_are_not() {
    let (folder, _) = folder();
    let base = Folder::new();
    let abandoned = base.path().join("model-loader-set-0123456789abcdef");
    fs::create_dir(&abandoned).unwrap();
    symlink("/proc/self/fd/3", abandoned.join(FIRST)).unwrap();
    let with_file = base.path().join("model-loader-set-file");
    fs::create_dir(&with_file).unwrap();
    fs::write(with_file.join("mine"), b"not a link").unwrap();
    let foreign = base.path().join("somebody-elses");
    fs::create_dir(&foreign).unwrap();
    let load = || {
        load_set(
            &folder.root(),
            &set_ask(FIRST),
            base.path(),
            &Control::new(),
        )
    };
    let (one, other) = (load().unwrap(), load().unwrap());
    assert!(!abandoned.exists());
    assert!(with_file.join("mine").exists() && foreign.exists());
    // One that is in use outlives the sweep of the next.
    assert!(one.path().exists() && other.path().exists());
}

#[test]
fn a_cancelled_load_of_a_set_is_refused_and_leaves_nothing() {
    let (folder, _) = folder();
    let base = Folder::new();
    let control = Control::new();
    control.cancel();
    assert_eq!(
        code(load_set(
            &folder.root(),
            &set_ask(FIRST),
            base.path(),
            &control
        )),
        Code::Aborted
    );
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
}

/// What was taken of each part, by the order in which consumers were given.
type Taken = Arc<Mutex<Vec<Vec<u8>>>>;

struct Taking(usize, Taken);

impl Consumer for Taking {
    fn take(&mut self, block: &Block) {
        let taken = &mut self.1.lock().unwrap()[self.0];
        assert_eq!(block.offset(), taken.len() as u64, "in order");
        taken.extend_from_slice(block.bytes());
    }
}

fn consumers(count: usize) -> (Taken, Vec<PartConsumer>) {
    let taken: Taken = Arc::new(Mutex::new(vec![Vec::new(); count]));
    let taking = (0..count).map(|place| Box::new(Taking(place, Arc::clone(&taken))) as _);
    let consumers = taking.collect();
    (taken, consumers)
}

#[test]
fn each_part_is_handed_to_its_own_consumer_also_where_a_record_proves_it() {
    let (folder, parts) = folder();
    let records = Folder::new();
    let mut whole = ask(FIRST);
    whole.proving.records = Some(Records {
        folder: records.path().join("records"),
        key: MacKey::from([1; 32]),
        age_max: None,
    });
    let ask = SetAsk {
        whole,
        parts: parts.iter().map(|bytes| Some(sha256(bytes))).collect(),
    };
    let sizes: Vec<u64> = parts.iter().map(|bytes| bytes.len() as u64).collect();
    for by in ["sha256", "tiles"] {
        let (taken, consumers) = consumers(3);
        let begin = |found: &[u64]| {
            assert_eq!(found, sizes);
            consumers
        };
        let loaded = load_set_into(&folder.root(), &ask, &Control::new(), begin);
        let (verified, digest) = loaded.unwrap();
        assert_eq!(verified[2].proven_by().as_str(), by);
        assert_eq!(digest, set_digest(parts.iter().map(|bytes| sha256(bytes))));
        assert!(*taken.lock().unwrap() == parts);
    }
}

#[test]
fn a_part_that_is_missing_costs_its_consumers_nothing_and_whoever_begins_may_cancel() {
    let (folder, _) = folder();
    let control = Control::new();
    let stopped = load_set_into(&folder.root(), &set_ask(FIRST), &control, |_| {
        control.cancel();
        Vec::new()
    });
    assert_eq!(code(stopped), Code::Aborted);
    fs::remove_file(folder.path().join(name(1))).unwrap();
    let begun = |_: &[u64]| unreachable!("nothing is begun for a set that is not whole");
    let refused = load_set_into(&folder.root(), &set_ask(FIRST), &Control::new(), begun);
    let refusal = refused.unwrap_err();
    assert_eq!((refusal.code, refusal.part), (Code::NotFound, Some(2)));
}
