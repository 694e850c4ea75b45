//! The last sync of a log whose thread is terminated: no JavaScript runs then, but this does.

use std::fs::File;
use std::sync::{Arc, Weak};

use napi::bindgen_prelude::{Env, Error, Result};
use napi_derive::napi;

#[napi]
pub struct NativeSyncAtExit {
    file: Option<Arc<File>>,
}

#[napi]
impl NativeSyncAtExit {
    /// The file has been synced and closed in good order; nothing is left to do at the end.
    #[napi]
    pub fn release(&mut self) {
        self.file = None;
    }
}

/// Holds the file by a description of its own: the worker's descriptors are closed before the hooks run.
pub(crate) fn register(env: Env, fd: i32) -> Result<NativeSyncAtExit> {
    let file = File::open(format!("/proc/self/fd/{fd}")).map_err(|error| {
        Error::from_reason(format!("descriptor {fd} cannot be opened again: {error}"))
    })?;
    let file = Arc::new(file);
    env.add_env_cleanup_hook(Arc::downgrade(&file), sync)?;
    Ok(NativeSyncAtExit { file: Some(file) })
}

fn sync(file: Weak<File>) {
    if let Some(file) = file.upgrade() {
        // Nobody is left to tell of a failure; what was acknowledged was synced before.
        let _ = file.sync_data();
    }
}
