//! Disk space for a file that is going to grow, asked for in advance and in one piece.

/// Space for `bytes` from `offset` on; the file's size stays as it is. False where there is none, or the file system has
/// no such call.
#[cfg(target_os = "linux")]
pub(crate) fn allocate(fd: i32, offset: u64, bytes: u64) -> bool {
    use rustix::fs::{FallocateFlags, fallocate};
    use std::fs::OpenOptions;

    // Opened once more, by its number: a name could lead to another file by now.
    OpenOptions::new()
        .write(true)
        .open(format!("/proc/self/fd/{fd}"))
        .is_ok_and(|file| fallocate(&file, FallocateFlags::KEEP_SIZE, offset, bytes).is_ok())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn allocate(_fd: i32, _offset: u64, _bytes: u64) -> bool {
    false
}
