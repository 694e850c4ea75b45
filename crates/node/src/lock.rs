//! One writer for a folder: an advisory lock that the kernel drops when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;

use napi_derive::napi;

use crate::system_failure::SystemFailure;

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

/// What became of a lock. Neither where somebody else holds it.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Locking {
    pub lock: Option<NativeLock>,
    pub failure: Option<SystemFailure>,
}

pub(crate) fn take(path: &str) -> Locking {
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path);
    let locked = open.and_then(|file| match file.try_lock() {
        Ok(()) => Ok(Some(NativeLock { file: Some(file) })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    });
    match locked {
        Ok(lock) => Locking {
            lock,
            failure: None,
        },
        Err(error) => Locking {
            failure: Some(SystemFailure::new(&error, "cannot lock")),
            ..Locking::default()
        },
    }
}
