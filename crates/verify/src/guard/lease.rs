//! A read lease: the kernel keeps writers waiting, and tells when one has come.

use super::watch;
use crate::{platform, sys};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// File systems on which a lease was seen to keep writers out, leftover mappings among them. On
/// overlayfs it is granted beside a writer; network file systems know nothing of remote writers. On
/// tmpfs it is granted beside pages that `io_uring` holds registered, and writes to for ever.
const LEASABLE: [u64; 3] = [EXT4, XFS, BTRFS];
const EXT4: u64 = 0xEF53;
const XFS: u64 = 0x5846_5342;
const BTRFS: u64 = 0x9123_683E;

/// A lease on one open file, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    file: Arc<File>,
    /// Whether the load depends on it. If not, a writer is let through as soon as one is seen.
    demanded: bool,
    broken: AtomicBool,
}

impl Lease {
    /// Takes the lease, or says why there is none.
    pub(crate) fn take(file: &Arc<File>, demanded: bool) -> Result<Arc<Self>, String> {
        let kind = platform::file_system(file).map_err(unknown_file_system)?;
        if !LEASABLE.contains(&kind) {
            return Err(format!(
                "a lease keeps nobody out on {} (type {kind:#x})",
                platform::file_system_name(kind)
            ));
        }
        // In this order: a lease that is broken before the signal is chosen would end the process.
        sys::tell_by_sigurg(file).map_err(refused)?;
        sys::take_lease(file).map_err(refused)?;
        let lease = Arc::new(Self {
            file: Arc::clone(file),
            demanded,
            broken: AtomicBool::new(false),
        });
        if demanded {
            return Ok(lease);
        }
        watch::watch(&lease)
            .map(|()| lease)
            .map_err(|error| format!("no thread to watch a lease with: {error}"))
    }

    /// Whether it has held from its granting until now. Once broken it never holds again.
    pub(crate) fn holds(&self) -> bool {
        if self.broken.load(Ordering::SeqCst) {
            return false;
        }
        let holds = sys::has_lease(&self.file);
        if !holds {
            self.note_break();
        }
        holds
    }

    /// The mark comes first: whoever finds the lease gone must also find it broken.
    fn note_break(&self) {
        self.broken.store(true, Ordering::SeqCst);
        if !self.demanded {
            self.give_back();
        }
    }

    /// Giving back what is gone already is no failure that anybody could act on.
    fn give_back(&self) {
        let _: Result<(), i32> = sys::give_lease_back(&self.file);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn unknown_file_system(errno: i32) -> String {
    let text = platform::errno_text(errno);
    format!("the file system cannot be told, so no lease counts on it ({text})")
}

fn refused(errno: i32) -> String {
    let text = platform::errno_text(errno);
    let why = platform::lease_trouble(errno).unwrap_or("the kernel gave no lease");
    format!("{why} ({text})")
}
