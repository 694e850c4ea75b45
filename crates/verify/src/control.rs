//! The caller's hand on a running load: cancel it, see how far it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A handle shared by the caller and one load. Clones are the same handle.
#[derive(Clone, Default)]
pub struct Control(Arc<Shared>);

#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    bytes_done: AtomicU64,
    bytes_total: AtomicU64,
    /// Several files are one load: each of them starts where the one before it ended.
    is_set: AtomicBool,
    sleepers: Mutex<Vec<Weak<dyn Wake>>>,
}

/// Something that waits and must look again when the load is cancelled.
pub(crate) trait Wake: Send + Sync {
    fn wake(&self);
}

impl Control {
    /// A handle for one load.
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle with counts of its own that is cancelled when this one is.
    pub(crate) fn beside(&self) -> Self {
        let beside = Self::new();
        let sleeper: Weak<Shared> = Arc::downgrade(&beside.0);
        self.listen(sleeper);
        if self.is_cancelled() {
            beside.cancel();
        }
        beside
    }

    /// Ends the load. Wakes every wait at once, also one behind a disk that does not answer.
    pub fn cancel(&self) {
        self.0.wake();
    }

    /// Whether `cancel` was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// How many bytes have been hashed. Never shrinks during one load.
    pub fn bytes_done(&self) -> u64 {
        self.0.bytes_done.load(Ordering::Relaxed)
    }

    /// How many bytes there are in all, 0 until the file is opened.
    pub fn bytes_total(&self) -> u64 {
        self.0.bytes_total.load(Ordering::Relaxed)
    }

    pub(crate) fn start(&self, bytes_total: u64) {
        if self.0.is_set.load(Ordering::Relaxed) {
            return;
        }
        self.0.bytes_done.store(0, Ordering::Relaxed);
        self.0.bytes_total.store(bytes_total, Ordering::Relaxed);
    }

    /// Starts a load of several files, of so many bytes together.
    pub(crate) fn start_set(&self, bytes_total: u64) {
        self.start(bytes_total);
        self.0.is_set.store(true, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, bytes: usize) {
        self.0.bytes_done.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Has `sleeper` woken by a cancel. One who looks at `is_cancelled` under the lock that `wake`
    /// takes, after having called this, cannot miss it.
    pub(crate) fn listen(&self, sleeper: Weak<dyn Wake>) {
        let mut sleepers = lock(&self.0.sleepers);
        sleepers.retain(|known| known.strong_count() > 0);
        sleepers.push(sleeper);
    }
}

impl Wake for Shared {
    fn wake(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        let sleepers = std::mem::take(&mut *lock(&self.sleepers));
        for sleeper in sleepers.iter().filter_map(Weak::upgrade) {
            sleeper.wake();
        }
    }
}

/// Locks, also after a panic elsewhere: what these locks guard is never left half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
