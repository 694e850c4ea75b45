//! A pass over memory that JavaScript pushes block by block.

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{Env, Error, Object, Result};
use napi_derive::napi;
use verify::BytesPass;

use crate::control::NativeControl;
use crate::policy::Policy;
use crate::thread;
use crate::verdict::{Verdict, expected_digest};

#[napi]
pub struct NativeBytesPass {
    /// Taken by `finish`; shared because waiting for room happens on another thread.
    pass: Mutex<Option<Arc<BytesPass>>>,
}

pub(crate) fn start(
    total_bytes: i64,
    sha256: Option<&str>,
    policy: Policy,
    control: &NativeControl,
) -> Result<NativeBytesPass> {
    let total = u64::try_from(total_bytes).map_err(|_| Error::from_reason("a negative size"))?;
    let expected = expected_digest(sha256)?;
    let pass = BytesPass::start(total, expected, policy.into(), control.inner.clone());
    Ok(NativeBytesPass {
        pass: Mutex::new(Some(Arc::new(pass))),
    })
}

#[napi]
impl NativeBytesPass {
    /// Copies as much as there is room for, on the thread that owns the memory, and returns how much that was.
    #[napi(catch_unwind)]
    pub fn offer(&self, bytes: &[u8]) -> Result<u32> {
        let taken = self.current()?.offer(bytes);
        u32::try_from(taken).map_err(|_| Error::from_reason("a block of 4 GiB or more"))
    }

    /// Resolves when there is room again, or the pass has ended.
    #[napi(catch_unwind)]
    pub fn room<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let pass = self.current()?;
        thread::promise(env, "model-bytes-room", move || pass.wait_room())
    }

    /// Judges what was pushed.
    #[napi(catch_unwind)]
    pub fn finish<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let pass = self.slot().take().ok_or_else(finished)?;
        let pass = Arc::into_inner(pass)
            .ok_or_else(|| Error::from_reason("a wait for room is still running"))?;
        thread::promise(env, "model-bytes-end", move || Verdict::from(pass.finish()))
    }

    fn current(&self) -> Result<Arc<BytesPass>> {
        self.slot().clone().ok_or_else(finished)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<BytesPass>>> {
        self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn finished() -> Error {
    Error::from_reason("this pass was finished")
}
