//! No promise of the gate holds here, so every door is shut: opening a root fails, and the
//! rest can only be reached with a root.

use super::{Fault, Trouble, VerityTrouble};
use crate::FileFacts;
use crate::records::InodeFacts;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

pub(crate) const PATH_BYTES_MAX: usize = 0;

const UNSUPPORTED: Fault = Fault {
    trouble: Trouble::Unsupported,
    errno: 0,
};

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        UNSUPPORTED
    }
}

impl Fault {
    pub(crate) fn escapes() -> Self {
        UNSUPPORTED
    }

    pub(crate) fn too_deep() -> Self {
        UNSUPPORTED
    }

    pub(crate) fn not_a_folder() -> Self {
        UNSUPPORTED
    }

    pub(crate) fn empty_name() -> Self {
        UNSUPPORTED
    }

    pub(crate) fn name_too_long() -> Self {
        UNSUPPORTED
    }

    pub(crate) fn too_many_links() -> Self {
        UNSUPPORTED
    }

    pub(crate) fn moved() -> Self {
        UNSUPPORTED
    }
}

pub(crate) fn open_root(_: &Path) -> Result<File, Fault> {
    Err(UNSUPPORTED)
}

pub(crate) fn has_openat2(_: &File) -> bool {
    false
}

pub(crate) fn open_beneath(_: &File, _: &[u8]) -> Result<File, Fault> {
    Err(UNSUPPORTED)
}

pub(crate) fn has_magic_link(_: &File, _: &[u8]) -> bool {
    false
}

pub(crate) fn look_at(_: &File, _: &[u8]) -> Result<File, Fault> {
    Err(UNSUPPORTED)
}

pub(crate) fn open_entry(_: &File, _: &[u8]) -> Result<File, Fault> {
    Err(UNSUPPORTED)
}

pub(crate) fn link_target(_: &File) -> Result<Vec<u8>, Fault> {
    Err(UNSUPPORTED)
}

pub(crate) fn is_on_procfs(_: &File) -> Result<bool, Fault> {
    Err(UNSUPPORTED)
}

pub(crate) fn metadata(_: &File) -> Result<Metadata, Fault> {
    Err(UNSUPPORTED)
}

pub(crate) fn facts(metadata: &Metadata) -> FileFacts {
    FileFacts {
        dev: 0,
        ino: 0,
        size: metadata.len(),
        nlink: 0,
        mtime_ns: 0,
        ctime_ns: 0,
    }
}

pub(crate) fn inode_facts(_: &File) -> Result<InodeFacts, i32> {
    Err(0)
}

pub(crate) fn same_inode(_: &Metadata, _: &Metadata) -> bool {
    false
}

pub(crate) fn kind_name(_: &Metadata) -> &'static str {
    "not a regular file"
}

pub(crate) fn advise_sequential(_: &File) {}

pub(crate) fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn passes_by_itself(_: i32) -> bool {
    false
}

pub(crate) fn errno_text(errno: i32) -> String {
    io::Error::from_raw_os_error(errno).to_string()
}

pub(crate) fn file_system(_: &File) -> Result<u64, i32> {
    Err(0)
}

pub(crate) fn file_system_name(_: u64) -> &'static str {
    "this file system"
}

pub(crate) fn lease_trouble(_: i32) -> Option<&'static str> {
    None
}

pub(crate) fn may_write(_: &File) -> Result<(), i32> {
    Err(0)
}

pub(crate) fn verity_trouble(_: i32, _: u64) -> VerityTrouble {
    VerityTrouble::Absent("this platform has no fs-verity")
}

pub(crate) fn sealable(_: u64) -> Result<File, i32> {
    Err(0)
}

pub(crate) fn seal(_: File) -> Result<File, i32> {
    Err(0)
}

pub(crate) fn write_at(_: &File, _: &[u8], _: u64) -> Result<(), i32> {
    Err(0)
}

pub(crate) fn memory_room() -> Result<u64, i32> {
    Err(0)
}

#[derive(Debug)]
pub(crate) struct PrivateFolder;

impl PrivateFolder {
    pub(crate) fn create(_: PathBuf) -> Result<Self, i32> {
        Err(0)
    }

    pub(crate) fn abandoned(_: PathBuf) -> Option<Self> {
        None
    }

    pub(crate) fn path(&self) -> &Path {
        Path::new("")
    }

    pub(crate) fn link<T>(&self, _: &T, _: &[u8]) -> Result<(), i32> {
        Err(0)
    }

    pub(crate) fn remove(&self, _: &[Vec<u8>]) {}

    pub(crate) fn remove_all(&self) {}
}

pub(crate) fn trusted_folder(_: &Path) -> Result<PathBuf, String> {
    Err("this platform is not supported".to_owned())
}

pub(crate) fn real_path(_: &File) -> Result<Vec<u8>, i32> {
    Err(0)
}

pub(crate) fn file_name(_: &[u8]) -> &OsStr {
    OsStr::new("")
}

pub(crate) fn unlikely_number() -> u64 {
    0
}
