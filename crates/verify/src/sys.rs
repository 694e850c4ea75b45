//! The calls that no crate wraps safely: leases and fs-verity.
//!
//! Each fails with the error number that the kernel gave. Only Linux has them.

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(not(target_os = "linux"))]
pub(crate) use unsupported::*;

/// The largest digest that fs-verity makes, SHA-512's.
pub(crate) const VERITY_DIGEST_BYTES_MAX: u16 = 64;

/// fs-verity's name for SHA-256.
pub(crate) const VERITY_SHA256: u16 = 1;

/// What `FS_IOC_MEASURE_VERITY` fills: the digest's algorithm and length, then the digest.
#[repr(C)]
pub(crate) struct VerityMeasure {
    pub(crate) algorithm: u16,
    pub(crate) length: u16,
    pub(crate) digest: [u8; VERITY_DIGEST_BYTES_MAX as usize],
}

#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "system calls that no crate wraps; each takes a live descriptor and memory of its own"
)]
#[allow(
    clippy::cast_lossless,
    reason = "the C libraries differ in the type of an ioctl's number"
)]
mod linux {
    use super::{VERITY_DIGEST_BYTES_MAX, VerityMeasure};
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;

    /// `fcntl`'s `F_SETSIG`, the same on every Linux.
    const F_SETSIG: libc::c_int = 10;

    const FS_IOC_MEASURE_VERITY: u32 = 0xC004_6686;
    /// Has the kernel tell of a broken lease by SIGURG, which does nothing where nobody wants it.
    /// Its default, SIGIO, ends the process.
    pub(crate) fn tell_by_sigurg(file: &File) -> Result<(), i32> {
        // SAFETY: the descriptor is open as long as `file` lives; the argument is a number.
        let answer = unsafe { libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) };
        done(answer)
    }

    /// Takes a read lease on the open file: from now on a writer has to wait.
    pub(crate) fn take_lease(file: &File) -> Result<(), i32> {
        set_lease(file, libc::F_RDLCK)
    }

    /// Gives the lease back; without one it does nothing.
    pub(crate) fn give_lease_back(file: &File) -> Result<(), i32> {
        set_lease(file, libc::F_UNLCK)
    }

    fn set_lease(file: &File, kind: libc::c_int) -> Result<(), i32> {
        // SAFETY: the descriptor is open as long as `file` lives; the argument is a number.
        let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) };
        done(answer)
    }

    /// Whether the read lease stands and nobody waits for its end.
    pub(crate) fn has_lease(file: &File) -> bool {
        // SAFETY: the descriptor is open as long as `file` lives; there is no argument.
        let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLEASE) };
        answer == libc::F_RDLCK
    }

    /// The digest by which the kernel checks every page of the file.
    pub(crate) fn measure_verity(file: &File) -> Result<VerityMeasure, i32> {
        let mut measure = VerityMeasure {
            algorithm: 0,
            length: VERITY_DIGEST_BYTES_MAX,
            digest: [0; VERITY_DIGEST_BYTES_MAX as usize],
        };
        let fd = file.as_raw_fd();
        // SAFETY: the kernel writes the two numbers and at most `length` bytes behind them, which
        // is the room there is.
        let answer = unsafe { libc::ioctl(fd, FS_IOC_MEASURE_VERITY as _, &raw mut measure) };
        done(answer).map(|()| measure)
    }

    fn done(answer: libc::c_int) -> Result<(), i32> {
        if answer < 0 { Err(errno()) } else { Ok(()) }
    }

    fn errno() -> i32 {
        io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO)
    }
}

#[cfg(not(target_os = "linux"))]
mod unsupported {
    use super::VerityMeasure;
    use std::fs::File;

    /// No error number: nothing was asked of the system.
    const UNSUPPORTED: i32 = 0;

    pub(crate) fn tell_by_sigurg(_: &File) -> Result<(), i32> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn take_lease(_: &File) -> Result<(), i32> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn give_lease_back(_: &File) -> Result<(), i32> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn has_lease(_: &File) -> bool {
        false
    }

    pub(crate) fn measure_verity(_: &File) -> Result<VerityMeasure, i32> {
        Err(UNSUPPORTED)
    }
}
