//! The seal record as plain values.

use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use vram::{SealRecord, SealedRange};

use super::evidence::hex;
use crate::control::saturating;

#[napi(object, object_from_js = false)]
pub(crate) struct SealRecordView {
    pub version: u32,
    pub shard_id: String,
    pub part: u32,
    pub parts: u32,
    pub backend: &'static str,
    pub device_uuid: String,
    pub pci: Option<String>,
    pub driver: String,
    pub kernel: String,
    pub boot_id: Option<String>,
    pub ranges: Vec<SealedRangeView>,
    pub root: String,
    pub sha256: String,
    pub access: &'static str,
    pub policy: String,
    pub sealed_at_unix_ms: i64,
    pub mac: String,
}

#[napi(object, object_from_js = false)]
pub(crate) struct SealedRangeView {
    pub allocation_id: Option<BigInt>,
    pub offset: i64,
    pub bytes: i64,
}

impl From<&SealRecord> for SealRecordView {
    fn from(record: &SealRecord) -> Self {
        Self {
            version: record.version,
            shard_id: hex(&record.shard_id),
            part: record.part,
            parts: record.parts,
            backend: record.backend.as_str(),
            device_uuid: record.device.to_string(),
            pci: record.pci.map(|pci| pci.to_string()),
            driver: record.driver.clone(),
            kernel: record.kernel.to_string(),
            boot_id: record.boot_id.clone(),
            ranges: record.ranges.iter().map(SealedRangeView::from).collect(),
            root: record.root.to_string(),
            sha256: record.sha256.clone(),
            access: record.access.as_str(),
            policy: record.policy.to_string(),
            sealed_at_unix_ms: saturating(record.sealed_at_unix_ms),
            mac: hex(&record.mac),
        }
    }
}

impl From<&SealedRange> for SealedRangeView {
    fn from(range: &SealedRange) -> Self {
        Self {
            allocation_id: range.allocation_id.map(BigInt::from),
            offset: saturating(range.offset),
            bytes: saturating(range.bytes),
        }
    }
}
