//! The device's primary context: the one that other libraries of the process use too.

use super::table::{Driver, Fault, Opaque, call};

/// A primary context that is held. It is a name, not memory, and may go from thread to thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cuda) struct Context(usize);

/// While it lives, the context is this thread's current one.
pub(in crate::cuda) struct Entered<'driver>(&'driver Driver);

impl Driver {
    pub(in crate::cuda) fn retain_context(&self, device: i32) -> Result<Context, Fault> {
        let mut context: Opaque = std::ptr::null_mut();
        call!(self, cuDevicePrimaryCtxRetain(&raw mut context, device))?;
        Ok(Context(context.addr()))
    }

    pub(in crate::cuda) fn release_context(&self, device: i32) -> Result<(), Fault> {
        call!(self, cuDevicePrimaryCtxRelease_v2(device))
    }

    pub(in crate::cuda) fn enter(&self, context: Context) -> Result<Entered<'_>, Fault> {
        call!(self, cuCtxPushCurrent_v2(handle(context.0)))?;
        Ok(Entered(self))
    }

    fn leave(&self) -> Result<(), Fault> {
        let mut left: Opaque = std::ptr::null_mut();
        call!(self, cuCtxPopCurrent_v2(&raw mut left))
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // It was pushed on this very thread, so that it can be popped; a dead context's error was told before.
        drop(self.0.leave());
    }
}

/// The driver's handles are addresses that only the driver follows.
pub(super) fn handle(address: usize) -> Opaque {
    std::ptr::without_provenance_mut(address)
}
