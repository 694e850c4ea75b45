//! The handle by which JavaScript stops a running call and sees how far it is.

use napi_derive::napi;
use verify::Control;

#[napi]
#[derive(Default)]
pub struct NativeControl {
    pub(crate) inner: Control,
}

#[napi]
impl NativeControl {
    /// Wakes every wait of the call at once; a second call does nothing.
    #[napi]
    pub fn cancel(&self) {
        self.inner.cancel();
    }

    #[napi]
    pub fn bytes_done(&self) -> i64 {
        saturating(self.inner.bytes_done())
    }

    #[napi]
    pub fn bytes_total(&self) -> i64 {
        saturating(self.inner.bytes_total())
    }
}

/// A worker that is terminated drops its handles, and the threads that work for it must not read on.
impl Drop for NativeControl {
    fn drop(&mut self) {
        self.inner.cancel();
    }
}

/// JavaScript counts exactly to 2^53; no file is larger than `i64::MAX`.
pub(crate) fn saturating(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
