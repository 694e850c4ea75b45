//! A folder of this process alone, for links to its open files.

use rustix::fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

/// A folder of this process alone, locked for as long as it is held: who finds one that is not locked
/// knows that its maker is gone.
#[derive(Debug)]
pub(crate) struct PrivateFolder {
    folder: File,
    path: PathBuf,
}

impl PrivateFolder {
    /// Makes the folder and locks it. Somebody who sweeps may get hold of it in between, and then it is not ours.
    pub(crate) fn create(path: PathBuf) -> Result<Self, i32> {
        fs::mkdir(&path, Mode::RWXU).map_err(Errno::raw_os_error)?;
        let locked = Self::locked(path)?.ok_or(Errno::BUSY.raw_os_error())?;
        let names = fs::fstat(&locked.folder).map_err(Errno::raw_os_error)?;
        if names.st_nlink == 0 {
            return Err(Errno::NOENT.raw_os_error());
        }
        Ok(locked)
    }

    /// The folder of a process that is gone; none where it is still held, or somebody else's.
    pub(crate) fn abandoned(path: PathBuf) -> Option<Self> {
        let found = Self::locked(path).ok().flatten()?;
        let owner = fs::fstat(&found.folder).ok()?.st_uid;
        (owner == geteuid().as_raw()).then_some(found)
    }

    fn locked(path: PathBuf) -> Result<Option<Self>, i32> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = fs::open(&path, flags, Mode::empty()).map_err(Errno::raw_os_error)?;
        match fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self {
                folder: opened.into(),
                path,
            })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.raw_os_error()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A link of that name to an open file of this process.
    pub(crate) fn link(&self, file: &impl AsFd, name: &[u8]) -> Result<(), i32> {
        let target = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        fs::symlinkat(target, &self.folder, name).map_err(Errno::raw_os_error)
    }

    /// What fails here leaves an empty name behind, which a later sweep removes.
    pub(crate) fn remove(&self, names: &[Vec<u8>]) {
        for name in names {
            let _: Result<(), Errno> =
                fs::unlinkat(&self.folder, name.as_slice(), AtFlags::empty());
        }
        let _: Result<(), Errno> = fs::rmdir(&self.path);
    }

    /// Removes the links of a folder whose maker is gone, and nothing else.
    pub(crate) fn remove_all(&self) {
        let names = Dir::read_from(&self.folder).into_iter().flatten().flatten();
        let links = names.filter(|entry| entry.file_type() == FileType::Symlink);
        let names: Vec<_> = links
            .map(|entry| entry.file_name().to_bytes().to_vec())
            .collect();
        self.remove(&names);
    }
}

/// A number that no other call is likely to have got.
pub(crate) fn unlikely_number() -> u64 {
    RandomState::new().hash_one(std::time::SystemTime::now())
}
