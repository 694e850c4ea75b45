//! The watch over leases that nobody demanded: a writer must not wait for them.
//!
//! One thread for all of them, which ends when there are none. It is a thread of its own because the
//! writer that waits may be this very process's event loop.

use super::lease::Lease;
use crate::control::lock;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::thread::{Builder, sleep};
use std::time::Duration;

/// How long a writer waits at most. A look costs less than a microsecond.
const LOOK_EVERY: Duration = Duration::from_millis(50);

struct Watch {
    leases: Vec<Weak<Lease>>,
    running: bool,
}

static WATCH: Mutex<Watch> = Mutex::new(Watch {
    leases: Vec::new(),
    running: false,
});

pub(super) fn watch(lease: &Arc<Lease>) -> io::Result<()> {
    let mut watch = lock(&WATCH);
    if !watch.running {
        Builder::new()
            .name("model-leases".to_owned())
            .spawn(look_after)?;
        watch.running = true;
    }
    watch.leases.push(Arc::downgrade(lease));
    Ok(())
}

fn look_after() {
    while let Some(leases) = living() {
        for lease in leases {
            lease.holds();
        }
        sleep(LOOK_EVERY);
    }
}

/// The leases that are still held, or None when there are none and the thread ends.
fn living() -> Option<Vec<Arc<Lease>>> {
    let mut watch = lock(&WATCH);
    watch.leases.retain(|lease| lease.strong_count() > 0);
    watch.running = !watch.leases.is_empty();
    let leases = watch.leases.iter().filter_map(Weak::upgrade).collect();
    watch.running.then_some(leases)
}
