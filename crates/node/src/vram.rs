//! GPU memory: conversions between the vault and plain values, and a thread for each call. What a device
//! must be is decided in the `vram` crate and in JavaScript; nothing is decided here.

#![allow(
    clippy::result_large_err,
    reason = "as in the vram crate: an error is built once a call, and a box would only hide its fields"
)]

mod device;
mod drm;
mod evidence;
mod failure;
mod foreign;
mod measure;
mod place;
mod record;
mod scrub;
mod seal;
mod seal_set;
mod shard;
pub(crate) mod tile_list;
mod vault;

pub(crate) use drm::drm_use;
pub(crate) use foreign::{DigestCache, Digestible, Range};
pub(crate) use place::Place;
pub(crate) use record::{RecordChecked, SealRecordView, check_record};
pub(crate) use vault::{devices, measure, seal, seal_set, verify_ranges};
