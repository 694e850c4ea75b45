//! The file system that a file lies on.

use crate::platform::Fault;
use rustix::fs;
use rustix::io::Errno;
use std::fs::File;

/// The type of the file system that the file lies on.
pub(crate) fn file_system(file: &File) -> Result<u64, i32> {
    let found = fs::fstatfs(file).map_err(Errno::raw_os_error)?;
    #[allow(clippy::cast_sign_loss, reason = "a bit pattern of 32 bits")]
    Ok(found.f_type as u64 & 0xFFFF_FFFF)
}

/// The name that people know a file system by.
pub(crate) fn file_system_name(kind: u64) -> &'static str {
    match kind {
        0x794C_7630 => "overlayfs",
        0x6969 => "NFS",
        0x0102_1994 => "tmpfs",
        0x6573_5546 => "FUSE",
        0x0102_1997 => "9p",
        0xFF53_4D42 | 0xFE53_4D42 => "SMB",
        0x00C3_6400 => "Ceph",
        0x8584_58F6 => "ramfs",
        0x5846_5342 => "XFS",
        0x9123_683E => "btrfs",
        0xEF53 => "ext4",
        0xF2F5_2010 => "f2fs",
        0xE0F5_E1E2 => "EROFS",
        0x7371_7368 => "squashfs",
        0x2FC1_2FC1 => "ZFS",
        _ => "this file system",
    }
}

/// Whether the inode is procfs's, whose links do not lead where their text says.
pub(crate) fn is_on_procfs(file: &File) -> Result<bool, Fault> {
    Ok(fs::fstatfs(file)?.f_type == fs::PROC_SUPER_MAGIC)
}
