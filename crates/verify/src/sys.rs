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

/// The form of the descriptor that fs-verity's digest is taken of: version 1, SHA-256, blocks of
/// 2^12 bytes, no salt. A file that others protected may have another.
pub(crate) const VERITY_FORM: [u8; 4] = [1, 1, 12, 0];

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
    use super::{VERITY_DIGEST_BYTES_MAX, VERITY_FORM, VERITY_SHA256, VerityMeasure};
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;

    /// `fcntl`'s `F_SETSIG`, the same on every Linux.
    const F_SETSIG: libc::c_int = 10;

    /// `_IOR('v', 1, long)`: the size of a long is part of it.
    const FS_IOC_GETVERSION: u32 = if cfg!(target_pointer_width = "64") {
        0x8008_7601
    } else {
        0x8004_7601
    };
    const FS_IOC_ENABLE_VERITY: u32 = 0x4080_6685;
    const FS_IOC_MEASURE_VERITY: u32 = 0xC004_6686;
    const FS_IOC_READ_VERITY_METADATA: u32 = 0xC028_6687;

    /// The descriptor, among the kinds of metadata.
    const VERITY_DESCRIPTOR: u64 = 2;

    /// What `FS_IOC_ENABLE_VERITY` reads. No salt, no signature.
    #[repr(C)]
    struct VerityEnable {
        version: u32,
        hash_algorithm: u32,
        block_bytes: u32,
        salt_bytes: u32,
        salt: u64,
        signature_bytes: u32,
        reserved: u32,
        signature: u64,
        reserved_more: [u64; 11],
    }

    /// What `FS_IOC_READ_VERITY_METADATA` reads.
    #[repr(C)]
    struct VerityMetadata {
        kind: u64,
        offset: u64,
        length: u64,
        buffer: u64,
        reserved: u64,
    }

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

    /// Tells the inode from an earlier one of the same number. File systems that use no number twice have none.
    pub(crate) fn generation(file: &File) -> Result<u32, i32> {
        let mut generation: libc::c_int = 0;
        let fd = file.as_raw_fd();
        // SAFETY: the kernel writes an int, although the call's number says a long.
        let answer = unsafe { libc::ioctl(fd, FS_IOC_GETVERSION as _, &raw mut generation) };
        done(answer).map(|()| generation.cast_unsigned())
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

    /// Has the kernel hold the file to the digest of its bytes as they are now, for ever. Reads all of
    /// them, and takes the seconds that this takes.
    pub(crate) fn enable_verity(file: &File) -> Result<(), i32> {
        let enable = VerityEnable {
            version: 1,
            hash_algorithm: VERITY_SHA256.into(),
            block_bytes: 1 << VERITY_FORM[2],
            salt_bytes: 0,
            salt: 0,
            signature_bytes: 0,
            reserved: 0,
            signature: 0,
            reserved_more: [0; 11],
        };
        let fd = file.as_raw_fd();
        // SAFETY: the kernel only reads the structure, which is of the form and size that it takes.
        let answer = unsafe { libc::ioctl(fd, FS_IOC_ENABLE_VERITY as _, &raw const enable) };
        done(answer)
    }

    /// The first bytes of the descriptor that the kernel's digest is taken of.
    pub(crate) fn verity_form(file: &File) -> Result<[u8; 4], i32> {
        let mut form = [0; 4];
        let read = VerityMetadata {
            kind: VERITY_DESCRIPTOR,
            offset: 0,
            length: form.len() as u64,
            buffer: (&raw mut form) as u64,
            reserved: 0,
        };
        let fd = file.as_raw_fd();
        // SAFETY: the kernel reads the structure and writes at most `length` bytes to the buffer that
        // it names, which is as long and lives until the call has ended.
        let answer = unsafe { libc::ioctl(fd, FS_IOC_READ_VERITY_METADATA as _, &raw const read) };
        done(answer).map(|()| form)
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

    pub(crate) fn enable_verity(_: &File) -> Result<(), i32> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn verity_form(_: &File) -> Result<[u8; 4], i32> {
        Err(UNSUPPORTED)
    }
}
