//! fs-verity: whether it can be had, and why not. It is enabled and measured in [`sys`](crate::sys).

use crate::platform::VerityTrouble;
use rustix::fs;
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

/// What keeps a file from being protected by fs-verity, before all of it was read: the kernel has
/// the last word.
pub(crate) fn may_write(file: &File) -> Result<(), i32> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    match fs::accessat(fs::CWD, path, fs::Access::WRITE_OK, fs::AtFlags::EACCESS) {
        // Kernels before 5.8 cannot be asked, and without procfs nobody can be.
        Ok(()) | Err(Errno::NOSYS | Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.raw_os_error()),
    }
}

/// What an error of measuring or enabling fs-verity means, and what to do.
pub(crate) fn verity_trouble(errno: i32, kind: u64) -> VerityTrouble {
    use VerityTrouble::{Absent, Busy, Denied, Exists, Failed, Off};
    match Errno::from_raw_os_error(errno) {
        Errno::NODATA => Off,
        Errno::EXIST => Exists,
        Errno::NOTTY => Absent("this file system has no fs-verity: ext4, btrfs and f2fs have"),
        Errno::OPNOTSUPP => Absent(verity_missing(kind)),
        Errno::INVAL | Errno::NOPKG => Absent(
            "this kernel has no fs-verity with SHA-256 and blocks of 4 KiB, which its pages must have",
        ),
        Errno::ROFS => Absent("the file system is mounted read-only"),
        Errno::NOKEY | Errno::KEYREJECTED => Absent(
            "this host demands signatures that the kernel checks (fs.verity.require_signatures)",
        ),
        Errno::FBIG => Absent("the file is too large for fs-verity"),
        Errno::TXTBSY => Busy("the file is open for writing: close it there, then try again"),
        Errno::BUSY => Busy("somebody else is enabling fs-verity on this file just now"),
        Errno::ACCESS => Denied("enabling fs-verity takes permission to write to the file"),
        Errno::PERM => {
            Denied("the file may not be changed: it is append-only or immutable (lsattr)")
        }
        _ => Failed,
    }
}

/// Two causes have one error number.
fn verity_missing(kind: u64) -> &'static str {
    let feature = match kind {
        0xEF53 => "/sys/fs/ext4/features/verity",
        0xF2F5_2010 => "/sys/fs/f2fs/features/verity",
        _ => return "this kernel is built without fs-verity (CONFIG_FS_VERITY)",
    };
    match (Path::new(feature).exists(), kind) {
        (false, _) => "this kernel is built without fs-verity (CONFIG_FS_VERITY)",
        (true, 0xEF53) => {
            "the file system lacks the verity feature: unmount it, run tune2fs -O verity on its device, \
             which takes blocks of 4 KiB, and mount it again"
        }
        (true, _) => "the file system lacks the verity feature: it must be made with it",
    }
}
