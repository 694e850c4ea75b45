//! A failure as data.

use napi_derive::napi;
use vram::{DriverFault, VramError};

use super::evidence::EvidenceView;
use crate::control::saturating;

/// Why a call about GPU memory failed.
#[napi(object, object_from_js = false)]
pub struct VramFailure {
    pub code: &'static str,
    pub message: String,
    pub device_uuid: Option<String>,
    pub driver: Option<DriverFaultView>,
    pub requested_bytes: Option<i64>,
    pub available_bytes: Option<i64>,
    pub policy: Option<&'static str>,
    /// Of a split model: which part, counted from 1.
    pub part: Option<u32>,
    pub evidence: Option<EvidenceView>,
}

/// A driver call that failed, in the driver's own words.
#[napi(object, object_from_js = false)]
pub struct DriverFaultView {
    pub call: &'static str,
    pub status: i64,
    pub name: String,
}

impl From<VramError> for VramFailure {
    fn from(error: VramError) -> Self {
        Self {
            code: error.code.as_str(),
            message: error.message,
            device_uuid: error.device.map(|uuid| uuid.to_string()),
            driver: error.driver.map(DriverFaultView::from),
            requested_bytes: error.requested_bytes.map(saturating),
            available_bytes: error.available_bytes.map(saturating),
            policy: error.policy,
            part: error.part,
            evidence: error.evidence.map(|evidence| (*evidence).into()),
        }
    }
}

impl From<DriverFault> for DriverFaultView {
    fn from(fault: DriverFault) -> Self {
        Self {
            call: fault.call,
            status: fault.status,
            name: fault.name,
        }
    }
}
