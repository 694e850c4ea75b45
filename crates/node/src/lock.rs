//! One writer for a folder: an advisory lock that the kernel drops when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;

use napi::bindgen_prelude::{Error, Result};
use napi_derive::napi;

#[napi]
pub struct NativeLock {
    file: Option<File>,
}

#[napi]
impl NativeLock {
    /// Closing the file lets go of the lock; a second call does nothing.
    #[napi]
    pub fn release(&mut self) {
        self.file = None;
    }
}

/// Errors carry the system's name, such as EACCES, as their code.
pub(crate) fn take(path: &str) -> Result<Option<NativeLock>, String> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(|error| failure(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(NativeLock { file: Some(file) })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failure(&error)),
    }
}

fn failure(error: &std::io::Error) -> Error<String> {
    let code = error
        .raw_os_error()
        .map(rustix::io::Errno::from_raw_os_error);
    let name = code.map_or_else(|| "EIO".to_owned(), |errno| format!("{errno:?}"));
    Error::new(name, error.to_string())
}
