//! Guards against the kernel's own answers: who may write, when, and what the model then says.

#![cfg(target_os = "linux")]
#![allow(
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed; a refusal is as large as it is"
)]

mod common;

use common::{Folder, ask, model, sha256};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use verify::{Ask, Block, Code, Consumer, Control, Guard, Guarding, Refusal, Verified};

const SIZE: usize = 5 << 20;

fn guarded(best: Option<Guard>, least: Guard) -> Ask {
    Ask {
        guarding: Guarding { best, least },
        ..ask("m")
    }
}

fn load(folder: &Folder, ask: &Ask) -> Result<Verified, Refusal> {
    verify::load(&folder.root(), ask, &Control::new())
}

fn with_model() -> (Folder, std::path::PathBuf, Vec<u8>) {
    let folder = Folder::new();
    let bytes = model(SIZE);
    let path = folder.file("m", &bytes);
    (folder, path, bytes)
}

/// The bytes that whoever opens the model's descriptor anew gets.
fn served(verified: &Verified) -> Vec<u8> {
    let path = format!("/proc/self/fd/{}", verified.as_fd().as_raw_fd());
    fs::read(path).unwrap()
}

fn writer(path: &Path) -> std::io::Result<File> {
    File::options().read(true).write(true).open(path)
}

#[test]
fn a_quiet_file_is_leased_unasked() {
    let (folder, _, _) = with_model();
    let verified = load(&folder, &ask("m")).unwrap();
    assert_eq!(verified.guard(), Guard::Leased);
    assert!(!verified.guard_broken());
    assert_eq!(verified.guard_shortfall(), None);
}

#[test]
fn a_file_that_is_open_for_writing_is_pinned_or_refused() {
    let (folder, path, _) = with_model();
    let _writer = writer(&path).unwrap();
    let verified = load(&folder, &ask("m")).unwrap();
    assert_eq!(verified.guard(), Guard::Pinned);
    let refusal = load(&folder, &guarded(None, Guard::Leased)).unwrap_err();
    assert_eq!(refusal.code, Code::GuardUnavailable);
    assert!(refusal.message.contains("EAGAIN"), "{}", refusal.message);
    assert_eq!(refusal.expected.as_deref(), Some("leased"));
    assert_eq!(refusal.actual.as_deref(), Some("pinned"));
}

#[test]
#[allow(unsafe_code, reason = "a mapping is what is tested")]
fn a_file_with_a_leftover_writable_mapping_is_never_leased() {
    let (folder, path, _) = with_model();
    let file = writer(&path).unwrap();
    // SAFETY: a new mapping at an address of the kernel's choice.
    let mapping = unsafe {
        mmap(
            std::ptr::null_mut(),
            4096,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
            &file,
            0,
        )
    }
    .unwrap();
    drop(file);
    let refusal = load(&folder, &guarded(None, Guard::Leased)).unwrap_err();
    assert_eq!(refusal.code, Code::GuardUnavailable);
    assert_eq!(load(&folder, &ask("m")).unwrap().guard(), Guard::Pinned);
    // SAFETY: the mapping made above, which nobody uses any more.
    unsafe { munmap(mapping, 4096) }.unwrap();
    assert_eq!(load(&folder, &ask("m")).unwrap().guard(), Guard::Leased);
}

#[test]
fn a_lease_that_nobody_demanded_lets_a_writer_through_and_says_so() {
    let (folder, path, _) = with_model();
    let verified = load(&folder, &ask("m")).unwrap();
    let started = Instant::now();
    let mut file = writer(&path).unwrap();
    let waited = started.elapsed();
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    // Already now, before the writer's first byte.
    assert_eq!(verified.guard(), Guard::Pinned);
    assert!(verified.guard_broken());
    file.write_all(b"x").unwrap();
    drop(file);
    assert_eq!(
        verified.guard(),
        Guard::Pinned,
        "a lease does not come back"
    );
}

#[test]
fn a_demanded_lease_holds_a_writer_until_the_model_is_closed() {
    let (folder, path, bytes) = with_model();
    let verified = load(&folder, &guarded(None, Guard::Leased)).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let file = writer(&path).unwrap();
            file.write_all_at(b"evil", 200).unwrap();
        });
        while verified.guard() == Guard::Leased {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(verified.guard_broken());
        std::thread::sleep(Duration::from_millis(200));
        // The break is told, and the writer still waits: there is time to stop.
        assert!(!writing.is_finished());
        assert!(served(&verified) == bytes, "bytes changed under the lease");
        drop(verified);
        writing.join().unwrap();
    });
    assert!(fs::read(&path).unwrap() != bytes);
}

/// Does something at the block that begins there.
struct At<F: FnMut()>(u64, F);

impl<F: FnMut()> Consumer for At<F> {
    fn take(&mut self, block: &Block) {
        if block.offset() == self.0 {
            (self.1)();
        }
    }
}

#[test]
fn a_writer_that_comes_during_the_reading_ends_a_demanded_lease() {
    let (folder, path, bytes) = with_model();
    let opened = |path: &Path| {
        // Without waiting: the kernel says EAGAIN and begins to break the lease.
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
        let answer = rustix::fs::open(path, flags, rustix::fs::Mode::empty());
        assert_eq!(answer.unwrap_err(), rustix::io::Errno::AGAIN);
    };
    let load_while = |ask: &Ask| {
        let mut hook = At(2 << 20, || opened(&path));
        verify::load_into(&folder.root(), ask, &Control::new(), &mut [&mut hook])
    };
    let refusal = load_while(&guarded(None, Guard::Leased)).unwrap_err();
    assert_eq!(refusal.code, Code::GuardUnavailable);
    assert_eq!(refusal.sha256, Some(sha256(&bytes)));
    assert!(
        refusal.message.contains("asked to write"),
        "{}",
        refusal.message
    );
    let pinned = load_while(&ask("m")).unwrap();
    assert_eq!(pinned.guard(), Guard::Pinned);
    assert!(!pinned.guard_broken(), "it was never handed over as leased");
}

#[test]
fn a_sealed_model_is_the_bytes_that_were_hashed_for_ever() {
    for least in [Guard::Pinned, Guard::Sealed] {
        let (folder, path, bytes) = with_model();
        let verified = load(&folder, &guarded(Some(Guard::Sealed), least)).unwrap();
        assert_eq!(verified.guard(), Guard::Sealed);
        let file = writer(&path).unwrap();
        file.write_all_at(b"evil", 200).unwrap();
        file.set_len(100).unwrap();
        assert_eq!(verified.guard(), Guard::Sealed);
        assert!(served(&verified) == bytes);
        let name = format!("/proc/self/fd/{}", verified.as_fd().as_raw_fd());
        // Some kernels refuse the opening, all refuse the writing.
        if let Ok(reopened) = writer(Path::new(&name)) {
            let written = reopened.write_all_at(b"evil", 200).unwrap_err();
            assert_eq!(written.raw_os_error(), Some(1), "EPERM");
            let cut = reopened.set_len(100).unwrap_err();
            assert_eq!(cut.raw_os_error(), Some(1), "EPERM");
        }
        assert!(served(&verified) == bytes);
        let mut copy = File::open(&name).unwrap();
        let mut first = [0; 4];
        copy.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"GGUF");
        assert!(copy.set_len(0).is_err());
    }
}

#[test]
fn every_length_around_a_block_is_sealed_whole() {
    let folder = Folder::new();
    for size in [128, 4_095, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 9 << 20] {
        let bytes = model(size);
        folder.file("m", &bytes);
        let verified = load(&folder, &guarded(None, Guard::Sealed)).unwrap();
        assert!(served(&verified) == bytes, "size {size}");
        assert_eq!(verified.sha256(), sha256(&bytes));
    }
}

/// The memory of that size that this process is filling, as any process of the same user can open it.
fn memory_of(size: u64) -> File {
    let names = fs::read_dir("/proc/self/fd").unwrap();
    let memory = names.filter_map(|name| {
        let path = name.unwrap().path();
        let target = fs::read_link(&path).unwrap_or_default();
        let is_memory = target.to_string_lossy().starts_with("/memfd:");
        is_memory.then(|| writer(&path).ok()).flatten()
    });
    let mut of_size = memory.filter(|file| file.metadata().unwrap().len() == size);
    of_size.next().unwrap()
}

/// Something that a process of the same user does to the copy while it is filled.
type Spoil = fn(&File);

#[test]
fn a_copy_that_another_process_writes_to_before_it_is_sealed_is_refused() {
    // Of a size that no other test has, for they share this process.
    let size = (12 << 20) + 4_096;
    let spoil: [(Spoil, u64); 3] = [
        (
            |memory| memory.write_all_at(b"evil", 300_000).unwrap(),
            1 << 18,
        ),
        (|memory| memory.set_len(100).unwrap(), 0),
        (
            |memory| memory.set_len((12 << 20) + 4_097).unwrap(),
            (12 << 20) + 4_096,
        ),
    ];
    for (spoil, offset) in spoil {
        let folder = Folder::new();
        let bytes = model(size);
        folder.file("m", &bytes);
        // The ring has eight blocks, so the first ones were copied by now.
        let mut hook = At(11 << 20, || spoil(&memory_of(size as u64)));
        let ask = guarded(None, Guard::Sealed);
        let answer = verify::load_into(&folder.root(), &ask, &Control::new(), &mut [&mut hook]);
        let refusal = answer.unwrap_err();
        assert_eq!(refusal.code, Code::ChangedWhileRead, "{}", refusal.message);
        assert_eq!(refusal.offset, Some(offset));
        assert_eq!(refusal.sha256, Some(sha256(&bytes)));
        assert!(refusal.message.contains("same user"), "{}", refusal.message);
    }
}

#[test]
fn a_copy_larger_than_memory_is_refused_before_it_is_begun() {
    let folder = Folder::new();
    // Not larger: ext4 with blocks of 1 KiB takes no more.
    folder.sparse_model("m", 1 << 41);
    let control = Control::new();
    let refusal =
        verify::load(&folder.root(), &guarded(None, Guard::Sealed), &control).unwrap_err();
    assert_eq!(refusal.code, Code::GuardUnavailable);
    assert!(refusal.message.contains("memory"), "{}", refusal.message);
    assert_eq!(control.bytes_done(), 0);
}

#[test]
fn a_pinned_model_takes_no_lease() {
    let (folder, path, _) = with_model();
    let verified = load(&folder, &guarded(Some(Guard::Pinned), Guard::Pinned)).unwrap();
    let started = Instant::now();
    drop(writer(&path).unwrap());
    assert!(started.elapsed() < Duration::from_millis(40));
    assert_eq!(verified.guard(), Guard::Pinned);
    assert!(!verified.guard_broken());
}

#[test]
fn fs_verity_that_is_not_on_is_refused_when_demanded() {
    let (folder, _, _) = with_model();
    let refusal = load(&folder, &guarded(None, Guard::FsVerity)).unwrap_err();
    assert_eq!(refusal.code, Code::GuardUnavailable);
    assert!(refusal.message.contains("fs-verity"), "{}", refusal.message);
}
