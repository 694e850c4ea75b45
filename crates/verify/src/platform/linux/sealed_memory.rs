//! Memory that is written once and then sealed.

use rustix::fs::{self, MemfdFlags, SealFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// Memory of `size` bytes, all zero, that can be sealed.
pub(crate) fn sealable(size: u64) -> Result<File, i32> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know that memory need not be executable.
    let made = fs::memfd_create(c"model", flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| fs::memfd_create(c"model", flags))
        .map_err(Errno::raw_os_error)?;
    fs::ftruncate(&made, size).map_err(Errno::raw_os_error)?;
    Ok(made.into())
}

/// Seals memory for ever and opens it anew, for reading only.
pub(crate) fn seal(memory: File) -> Result<File, i32> {
    let all = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fs::fcntl_add_seals(&memory, all).map_err(Errno::raw_os_error)?;
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    // Without procfs the first descriptor has to do; the seals stop its writes too.
    Ok(File::open(path).unwrap_or(memory))
}

/// Writes all bytes from `offset` on.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> Result<(), i32> {
    let written = file.write_all_at(bytes, offset);
    written.map_err(|error| error.raw_os_error().unwrap_or(Errno::NOSPC.raw_os_error()))
}
