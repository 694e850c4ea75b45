//! Protecting by fs-verity. Where the kernel has none, what is refused and how; the rest needs a folder on a file
//! system with the verity feature: `node scripts/verity-check.mjs` boots a kernel that has it and runs the ignored
//! tests there, and so does `TMPDIR=/mnt cargo test -p verify --test verity -- --ignored` on a machine that has.

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
use digest::{FsVerity, MacKey};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use verify::{
    Ask, Code, Control, Guard, Guarding, Protected, Proving, Reason, Records, Refusal, Verified,
};

const SIZE: usize = 5 << 20;
/// For the test with a writer, which does it often.
const MEDDLED_BYTES: usize = 300_000;
const ROUNDS: u32 = 60;
const NEEDS: &str = "the folder's file system must have the verity feature";

fn protect(folder: &Folder, ask: &Ask) -> Result<Protected, Refusal> {
    verify::protect(&folder.root(), ask, &Control::new())
}

fn load(folder: &Folder, least: Guard) -> Result<Verified, Refusal> {
    let ask = Ask {
        guarding: Guarding { best: None, least },
        ..ask("m")
    };
    verify::load(&folder.root(), &ask, &Control::new())
}

fn verity_digest(bytes: &[u8]) -> String {
    let mut verity = FsVerity::new();
    verity.update(bytes);
    format!("sha256:{}", verity.finalize())
}

fn errno<T>(answer: std::io::Result<T>) -> Option<Errno> {
    answer.err().as_ref().and_then(Errno::from_io_error)
}

#[test]
fn where_it_cannot_be_had_it_is_refused_before_the_first_byte() {
    let folder = Folder::new();
    folder.file("m", &model(SIZE));
    let control = Control::new();
    let Err(refusal) = verify::protect(&folder.root(), &ask("m"), &control) else {
        return;
    };
    assert_eq!(refusal.code, Code::GuardUnavailable);
    assert_eq!(refusal.expected.as_deref(), Some("fs-verity"));
    assert!(!refusal.retriable);
    assert!(refusal.message.contains("verity"), "{}", refusal.message);
    assert_eq!(control.bytes_done(), 0);
}

#[test]
fn a_file_that_is_not_there_or_too_large_or_no_model_is_refused_as_by_a_load() {
    let folder = Folder::new();
    assert_eq!(common::code(protect(&folder, &ask("m"))), Code::NotFound);
    assert_eq!(
        common::code(protect(&folder, &ask("../m"))),
        Code::PathTraversal
    );
    folder.file("m", &model(SIZE));
    let small = Ask {
        bytes_max: 1000,
        ..ask("m")
    };
    assert_eq!(common::code(protect(&folder, &small)), Code::TooLarge);
}

#[test]
#[ignore = "needs fs-verity"]
fn a_protected_model_is_loaded_under_the_guard_and_cannot_be_written_to() {
    let folder = Folder::new();
    let bytes = model(SIZE);
    let path = folder.file("m", &bytes);
    let expecting = Ask {
        expected: Some(sha256(&bytes)),
        ..ask("m")
    };
    let protected = protect(&folder, &expecting).expect(NEEDS);
    assert_eq!(protected.sha256(), sha256(&bytes));
    assert_eq!(protected.verity_digest(), verity_digest(&bytes));
    assert!(protected.digest_expected());
    assert!(protected.digest_compared());
    assert!(!protected.was_protected());
    let verified = load(&folder, Guard::FsVerity).unwrap();
    assert_eq!(verified.guard(), Guard::FsVerity);
    assert!(!verified.guard_broken());
    assert_eq!(verified.verity_digest(), Some(verity_digest(&bytes)));
    let unasked = load(&folder, Guard::Pinned).unwrap();
    assert_eq!(
        unasked.guard(),
        Guard::FsVerity,
        "the best that costs nothing"
    );
    let writing = File::options().write(true).open(&path);
    assert_eq!(errno(writing), Some(Errno::PERM));
    let name = format!("/proc/self/fd/{}", verified.as_fd().as_raw_fd());
    assert_eq!(
        errno(File::options().write(true).open(&name)),
        Some(Errno::PERM)
    );
    assert_eq!(fs::read(&name).unwrap(), bytes);
}

#[test]
#[ignore = "needs fs-verity"]
fn protecting_twice_verifies_twice_and_changes_nothing() {
    let folder = Folder::new();
    let bytes = model(SIZE);
    folder.file("m", &bytes);
    assert!(!protect(&folder, &ask("m")).expect(NEEDS).was_protected());
    let again = protect(&folder, &ask("m")).unwrap();
    assert!(again.was_protected());
    assert!(
        again.digest_compared(),
        "the kernel tells its form since 5.12"
    );
    assert_eq!(again.verity_digest(), verity_digest(&bytes));
    let wrong = Ask {
        expected: Some(sha256(b"another")),
        ..ask("m")
    };
    assert_eq!(common::code(protect(&folder, &wrong)), Code::DigestMismatch);
}

#[test]
#[ignore = "needs fs-verity"]
fn every_length_around_a_block_has_the_digest_that_we_compute() {
    let folder = Folder::new();
    for size in [128, 4095, 4096, 4097, 524_288, 524_289, (1 << 20) + 1] {
        let bytes = model(size);
        folder.file(&size.to_string(), &bytes);
        let protected = protect(&folder, &ask(size.to_string())).expect(NEEDS);
        assert_eq!(protected.verity_digest(), verity_digest(&bytes), "{size}");
    }
}

#[test]
#[ignore = "needs fs-verity"]
fn what_is_refused_is_not_protected() {
    let folder = Folder::new();
    let mut bytes = model(SIZE);
    folder.file("m", &bytes);
    let wrong = Ask {
        expected: Some(sha256(b"another")),
        ..ask("m")
    };
    assert_eq!(common::code(protect(&folder, &wrong)), Code::DigestMismatch);
    assert!(load(&folder, Guard::FsVerity).is_err(), "it was protected");
    bytes[0] = b'g';
    folder.file("bad", &bytes);
    assert!(matches!(
        common::code(protect(&folder, &ask("bad"))),
        Code::Gguf(_)
    ));
    // Still writable: a file under fs-verity is not.
    File::options()
        .write(true)
        .open(folder.path().join("bad"))
        .unwrap();
}

#[test]
#[ignore = "needs fs-verity"]
fn a_file_that_is_open_for_writing_is_refused_until_it_is_closed() {
    let folder = Folder::new();
    let path = folder.file("m", &model(SIZE));
    let writer = File::options().write(true).open(path).unwrap();
    let refusal = protect(&folder, &ask("m")).unwrap_err();
    assert_eq!(refusal.code, Code::GuardUnavailable);
    assert!(refusal.message.contains("ETXTBSY"), "{}", refusal.message);
    assert!(refusal.retriable);
    drop(writer);
    protect(&folder, &ask("m")).expect(NEEDS);
}

#[test]
#[ignore = "needs fs-verity"]
fn who_may_not_write_to_the_file_may_not_protect_it() {
    let folder = Folder::new();
    folder.file("m", &model(SIZE));
    let refusal = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let root = folder.root();
            // This thread alone, which loses root's capabilities with it.
            let nobody = rustix::process::Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            verify::protect(&root, &ask("m"), &Control::new()).unwrap_err()
        });
        asking.join().unwrap()
    });
    assert_eq!(refusal.code, Code::PermissionDenied);
    assert!(refusal.message.contains("EACCES"), "{}", refusal.message);
}

#[test]
#[ignore = "needs fs-verity"]
fn a_file_protected_by_others_with_a_salt_is_verified_and_its_digest_taken_as_it_is() {
    let folder = Folder::new();
    let bytes = model(SIZE);
    let path = folder.file("m", &bytes);
    enable_with_salt(&File::open(path).unwrap()).expect(NEEDS);
    let protected = protect(&folder, &ask("m")).unwrap();
    assert!(protected.was_protected());
    assert!(!protected.digest_compared());
    assert_ne!(protected.verity_digest(), verity_digest(&bytes));
    assert_eq!(
        load(&folder, Guard::FsVerity).unwrap().guard(),
        Guard::FsVerity
    );
}

/// With a record the kernel's digest is the proof; without the expected one the bytes are.
#[test]
#[ignore = "needs fs-verity"]
fn a_recorded_file_under_fs_verity_is_not_read_again() {
    let folder = Folder::new();
    let bytes = model(SIZE);
    folder.file("m", &bytes);
    let ask = |bytes: &[u8]| Ask {
        expected: Some(sha256(bytes)),
        proving: Proving {
            records: Some(Records {
                folder: folder.path().join("records"),
                key: MacKey::from([1; 32]),
                age_max: None,
            }),
            ..Proving::default()
        },
        ..ask("m")
    };
    let loaded = |ask: &Ask| verify::load(&folder.root(), ask, &Control::new());
    protect(&folder, &ask(&bytes)).expect(NEEDS);
    let control = Control::new();
    let verified = verify::load(&folder.root(), &ask(&bytes), &control).unwrap();
    assert_eq!(verified.proven_by().as_str(), "fs-verity");
    assert_eq!(verified.guard(), Guard::FsVerity);
    assert!(control.bytes_done() <= 256, "{}", control.bytes_done());
    let read = verified.read(300_000..300_010, &Control::new()).unwrap();
    assert_eq!(read, bytes[300_000..300_010]);
    // Another digest than the recorded one is computed, and found not to be the file's.
    assert_eq!(common::code(loaded(&ask(b"other"))), Code::DigestMismatch);
    let mut always = ask(&bytes);
    always.proving.flat_always = true;
    assert_eq!(loaded(&always).unwrap().proven_by().as_str(), "sha256");
    // Other bytes in its place, under fs-verity as well: the kernel tells them apart.
    let mut other = bytes.clone();
    other[SIZE - 1] ^= 1;
    fs::remove_file(folder.path().join("m")).unwrap();
    folder.file("m", &other);
    protect(&folder, &common::ask("m")).unwrap();
    assert_eq!(common::code(loaded(&ask(&bytes))), Code::DigestMismatch);
    // The same bytes in a new file: the digest is a digest of bytes, and it is known.
    fs::remove_file(folder.path().join("m")).unwrap();
    folder.file("m", &bytes);
    assert_eq!(loaded(&ask(&bytes)).unwrap().proven_by().as_str(), "tiles");
    protect(&folder, &common::ask("m")).unwrap();
    assert_eq!(
        loaded(&ask(&bytes)).unwrap().proven_by().as_str(),
        "fs-verity"
    );
    // A forged tie is no proof.
    let tie = format!("records/{}.verity", sha256(&bytes));
    let tie = folder.path().join(tie);
    let mut forged = fs::read(&tie).unwrap();
    forged[160] ^= 1;
    fs::write(&tie, forged).unwrap();
    let verified = loaded(&ask(&bytes)).unwrap();
    assert_eq!(verified.proven_by().as_str(), "tiles");
    let reason = verified.records().ignored.as_ref().map(|it| it.reason);
    assert_eq!(reason, Some(Reason::Forged));
}

/// One flipped bit on the raw device: the kernel's word is EIO, and the load says where.
#[test]
#[ignore = "needs fs-verity, and root"]
fn a_bit_that_flips_on_the_device_is_found_by_the_kernel() {
    let folder = Folder::new();
    let mut bytes = model(SIZE);
    let marker = b"a text that stands nowhere else on this device, at 3 MiB";
    let place = 3 << 20;
    bytes[place..place + marker.len()].copy_from_slice(marker);
    let path = folder.file("m", &bytes);
    protect(&folder, &ask("m")).expect(NEEDS);
    let before = load(&folder, Guard::FsVerity).unwrap();
    flip_on_device(&device_of(folder.path()), marker);
    fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
    let name = format!("/proc/self/fd/{}", before.as_fd().as_raw_fd());
    let mut buffer = [0; 4096];
    let held = File::open(name).unwrap();
    assert_eq!(
        errno(held.read_at(&mut buffer, place as u64)),
        Some(Errno::IO)
    );
    assert_eq!(
        held.read_at(&mut buffer, place as u64 - 4096).unwrap(),
        4096
    );
    let refusal = load(&folder, Guard::FsVerity).unwrap_err();
    assert_eq!(refusal.code, Code::Io);
    assert!(!refusal.retriable, "the same page will not get better");
    assert!(refusal.offset.is_some_and(|offset| offset <= place as u64));
    fs::remove_file(path).unwrap();
}

/// Whoever writes while a file is being protected: what is protected is what was verified, or nothing is.
#[test]
#[ignore = "needs fs-verity"]
fn no_writer_gets_between_the_verification_and_the_protection() {
    let folder = Folder::new();
    folder.file("m", &model(MEDDLED_BYTES));
    let started = Instant::now();
    protect(&folder, &ask("m")).expect(NEEDS);
    let span = started.elapsed() * 2;
    let (mut protected, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        fs::remove_file(folder.path().join("m")).unwrap();
        let path = folder.file("m", &model(MEDDLED_BYTES));
        let stop = AtomicBool::new(false);
        let outcome = std::thread::scope(|scope| {
            let meddling = scope.spawn(|| meddle(&path, round, span, &stop));
            let outcome = protect(&folder, &ask("m"));
            stop.store(true, Ordering::SeqCst);
            meddling.join().unwrap();
            outcome
        });
        match outcome {
            Ok(done) => {
                let found = fs::read(&path).unwrap();
                assert_eq!(done.sha256(), sha256(&found), "round {round}");
                assert_eq!(done.verity_digest(), verity_digest(&found));
                protected += 1;
            }
            Err(refusal) => {
                let expected = [Code::GuardUnavailable, Code::ChangedWhileRead];
                assert!(expected.contains(&refusal.code), "{refusal}");
                assert!(
                    load(&folder, Guard::FsVerity).is_err(),
                    "{refusal}, and it is protected"
                );
                refused += 1;
            }
        }
    }
    println!("{protected} protected as verified, {refused} refused");
    assert!(protected > 0 && refused > 0, "{protected}, {refused}");
}

/// Opens, writes and closes once, at a moment of the protecting or after it that differs from round to round; or
/// keeps it open.
fn meddle(path: &Path, round: u32, span: Duration, stop: &AtomicBool) {
    std::thread::sleep(span * round / ROUNDS);
    let Ok(file) = File::options().write(true).open(path) else {
        return;
    };
    file.write_all_at(b"evil", 500).unwrap();
    while round.is_multiple_of(3) && !stop.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
}

/// The device that the folder's file system lies on.
fn device_of(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut found: Vec<(&str, &str)> = mounts
        .lines()
        .filter_map(|line| {
            let (device, rest) = line.split_once(' ')?;
            Some((rest.split_once(' ')?.0, device))
        })
        .filter(|(place, _)| folder.starts_with(place))
        .collect();
    found.sort_by_key(|(place, _)| place.len());
    found.last().unwrap().1.to_owned()
}

fn flip_on_device(device: &str, marker: &[u8]) {
    rustix::fs::sync();
    let mut raw = File::options().read(true).write(true).open(device).unwrap();
    let mut bytes = Vec::new();
    raw.read_to_end(&mut bytes).unwrap();
    let place = bytes
        .windows(marker.len())
        .position(|window| window == marker)
        .expect("the file's bytes on its device");
    raw.seek(SeekFrom::Start(place as u64)).unwrap();
    raw.write_all(&[bytes[place] ^ 1]).unwrap();
    raw.sync_all().unwrap();
}

#[repr(C)]
struct EnableWithSalt {
    version: u32,
    algorithm: u32,
    block_bytes: u32,
    salt_bytes: u32,
    salt: u64,
    rest: [u64; 13],
}

#[allow(unsafe_code, reason = "the same call as ours, with a salt")]
fn enable_with_salt(file: &File) -> rustix::io::Result<()> {
    const FS_IOC_ENABLE_VERITY: rustix::ioctl::Opcode = 0x4080_6685;
    let salt = [1_u8, 2, 3, 4];
    let enable = EnableWithSalt {
        version: 1,
        algorithm: 1,
        block_bytes: 4096,
        salt_bytes: 4,
        salt: salt.as_ptr() as u64,
        rest: [0; 13],
    };
    // SAFETY: the structure has the form and size that the call reads.
    let call = unsafe { rustix::ioctl::Setter::<FS_IOC_ENABLE_VERITY, _>::new(enable) };
    // SAFETY: the salt lives until the call has ended.
    unsafe { rustix::ioctl::ioctl(file, call) }
}
