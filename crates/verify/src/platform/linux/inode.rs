//! An inode: what it is, and whether it is the same as another.

use crate::platform::Fault;
use crate::records::InodeFacts;
use crate::{FileFacts, sys};
use rustix::fs::{self, StatxFlags};
use rustix::io::Errno;
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// What the inode is, size and times included.
pub(crate) fn metadata(file: &File) -> Result<Metadata, Fault> {
    Ok(file.metadata()?)
}

pub(crate) fn facts(metadata: &Metadata) -> FileFacts {
    FileFacts {
        dev: metadata.dev(),
        ino: metadata.ino(),
        size: metadata.size(),
        nlink: metadata.nlink(),
        mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// The facts by which an inode is told again.
pub(crate) fn inode_facts(file: &File) -> Result<InodeFacts, i32> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let found = fs::statx(file, c"", fs::AtFlags::EMPTY_PATH, wanted);
    let found = found.map_err(Errno::raw_os_error)?;
    if found.stx_mask & wanted.bits() != wanted.bits() {
        return Err(Errno::OPNOTSUPP.raw_os_error());
    }
    let time = |time: fs::StatxTimestamp| nanoseconds(time.tv_sec, time.tv_nsec.into());
    Ok(InodeFacts {
        dev: fs::makedev(found.stx_dev_major, found.stx_dev_minor),
        ino: found.stx_ino,
        generation: sys::generation(file)?.into(),
        btime_ns: time(found.stx_btime),
        ctime_ns: time(found.stx_ctime),
    })
}

fn nanoseconds(seconds: i64, rest: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(rest)
}

pub(crate) fn same_inode(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// What a thing that is not a regular file is, with its article.
pub(crate) fn kind_name(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () if kind.is_char_device() => "a character device",
        () if kind.is_block_device() => "a block device",
        () => "a special file",
    }
}
