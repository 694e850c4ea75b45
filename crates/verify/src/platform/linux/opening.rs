//! Opening: the root, what lies beneath it, and the entries of a folder.

use crate::platform::Fault;
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;

/// The kernel's `PATH_MAX`, which counts the closing NUL byte.
pub(crate) const PATH_BYTES_MAX: usize = 4095;

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// `NONBLOCK`: a FIFO must not hold the open. `NOCTTY`: a terminal must not become ours.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Opens the root itself. Its path is the operator's and is followed as it stands.
pub(crate) fn open_root(path: &Path) -> Result<File, Fault> {
    Ok(fs::open(path, FOLDER, Mode::empty())?.into())
}

/// Whether openat2 works here. A sandbox may answer EPERM instead of ENOSYS.
pub(crate) fn has_openat2(root: &File) -> bool {
    let beneath = ResolveFlags::BENEATH;
    let answer = fs::openat2(root, c".", FOLDER, Mode::empty(), beneath);
    !matches!(answer, Err(Errno::NOSYS | Errno::PERM))
}

/// Opens a file so that the kernel lets no part of the path leave the root.
pub(crate) fn open_beneath(root: &File, path: &[u8]) -> Result<File, Fault> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    Ok(fs::openat2(root, path, FILE, Mode::empty(), resolve)?.into())
}

/// Whether a path that ended in ELOOP runs through a magic link, as those of /proc/self/fd.
/// Opens nothing: a magic link out of the root is refused here with EXDEV.
pub(crate) fn has_magic_link(root: &File, path: &[u8]) -> bool {
    let look = OFlags::PATH | OFlags::CLOEXEC;
    let answer = fs::openat2(root, path, look, Mode::empty(), ResolveFlags::BENEATH);
    matches!(answer, Err(Errno::XDEV))
}

/// A descriptor of one entry of a folder, not followed, not opened, with no side effect.
pub(crate) fn look_at(folder: &File, name: &[u8]) -> Result<File, Fault> {
    let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(folder, name, look, Mode::empty())?.into())
}

/// Opens one entry of a folder for reading; a symbolic link is refused.
pub(crate) fn open_entry(folder: &File, name: &[u8]) -> Result<File, Fault> {
    let flags = FILE | OFlags::NOFOLLOW;
    Ok(fs::openat(folder, name, flags, Mode::empty())?.into())
}

/// Where a symbolic link points.
pub(crate) fn link_target(link: &File) -> Result<Vec<u8>, Fault> {
    Ok(fs::readlinkat(link, c"", Vec::new())?.into_bytes())
}
