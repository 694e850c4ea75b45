//! What graphics drivers count for this process, as plain values.

use napi_derive::napi;
use vram::drm::{of_this_process, sum};

use crate::control::saturating;
use crate::thread::Held;

/// Of all devices together; absent where no driver says it.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct DrmUse {
    pub host_bytes: Option<i64>,
    pub evicted_bytes: Option<i64>,
}

impl Held for DrmUse {}

/// Asks the system anew.
pub(crate) fn drm_use() -> DrmUse {
    let all = sum(&of_this_process());
    DrmUse {
        host_bytes: all.host_bytes.map(saturating),
        evicted_bytes: all.evicted_bytes.map(saturating),
    }
}
