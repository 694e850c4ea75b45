//! The seal record as plain values.

use napi_derive::napi;
use vram::{
    Access, Code, DeviceUuid, PciAddress, SEAL_RECORD_VERSION, SealKey, SealRecord, SealedRange,
    VramError,
};

use super::evidence::hex;
use super::failure::VramFailure;
use super::place::backend_named;
use super::vault;
use crate::control::saturating;

/// On its way out, or from outside: then nothing in it is believed until it is parsed.
#[napi(object)]
pub struct SealRecordView {
    pub version: u32,
    pub shard_id: String,
    pub part: u32,
    pub parts: u32,
    pub backend: String,
    pub device_uuid: String,
    pub pci: Option<String>,
    pub driver: String,
    pub kernel: String,
    pub boot_id: Option<String>,
    pub ranges: Vec<SealedRangeView>,
    pub root: String,
    pub sha256: String,
    pub access: String,
    pub policy: String,
    pub sealed_at_unix_ms: i64,
    pub mac: String,
}

#[napi(object)]
pub struct SealedRangeView {
    /// In decimal digits: it may be larger than a JavaScript number can hold, and a record is to be kept as JSON.
    pub allocation_id: Option<String>,
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
            backend: record.backend.as_str().to_owned(),
            device_uuid: record.device.to_string(),
            pci: record.pci.map(|pci| pci.to_string()),
            driver: record.driver.clone(),
            kernel: record.kernel.to_string(),
            boot_id: record.boot_id.clone(),
            ranges: record.ranges.iter().map(SealedRangeView::from).collect(),
            root: record.root.to_string(),
            sha256: record.sha256.clone(),
            access: record.access.as_str().to_owned(),
            policy: record.policy.to_string(),
            sealed_at_unix_ms: saturating(record.sealed_at_unix_ms),
            mac: hex(&record.mac),
        }
    }
}

impl From<&SealedRange> for SealedRangeView {
    fn from(range: &SealedRange) -> Self {
        Self {
            allocation_id: range.allocation_id.map(|id| id.to_string()),
            offset: saturating(range.offset),
            bytes: saturating(range.bytes),
        }
    }
}

/// The record as it was sealed, or why it is none.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct RecordChecked {
    pub record: Option<SealRecordView>,
    pub failure: Option<VramFailure>,
}

/// Holds a record against the seal of the secret's key, or of this process.
pub(crate) fn check_record(text: &SealRecordView, secret: Option<&[u8]>) -> RecordChecked {
    match checked(text, secret) {
        Ok(record) => RecordChecked {
            record: Some((&record).into()),
            failure: None,
        },
        Err(error) => RecordChecked {
            record: None,
            failure: Some(error.into()),
        },
    }
}

fn checked(text: &SealRecordView, secret: Option<&[u8]>) -> Result<SealRecord, VramError> {
    let record = parsed(text).map_err(|field| {
        let message = format!("the seal record's {field} is none that was ever written");
        VramError::new(Code::RecordInvalid, message)
    })?;
    match secret {
        Some(secret) => record.check(&SealKey::derive(secret))?,
        None => vault::shared()?.check_record(&record)?,
    }
    Ok(record)
}

/// The record, or the name of the field that is wrong.
fn parsed(text: &SealRecordView) -> Result<SealRecord, &'static str> {
    if text.version != SEAL_RECORD_VERSION {
        return Err("version");
    }
    let access = [Access::ReadOnly, Access::ReadWrite].into_iter();
    let ranges: Option<Vec<_>> = text.ranges.iter().map(range).collect();
    Ok(SealRecord {
        version: text.version,
        shard_id: bytes_of(&text.shard_id).ok_or("shardId")?,
        part: text.part,
        parts: text.parts,
        backend: backend_named(&text.backend).map_err(|_| "backend")?,
        device: DeviceUuid::parse(&text.device_uuid).ok_or("deviceUuid")?,
        pci: optional(text.pci.as_deref(), PciAddress::parse).ok_or("pci")?,
        driver: text.driver.clone(),
        kernel: digest_of(&text.kernel).ok_or("kernel")?,
        boot_id: text.boot_id.clone(),
        ranges: ranges.ok_or("ranges")?,
        root: digest_of(&text.root).ok_or("root")?,
        sha256: text.sha256.clone(),
        access: { access }
            .find(|one| one.as_str() == text.access)
            .ok_or("access")?,
        policy: digest_of(&text.policy).ok_or("policy")?,
        sealed_at_unix_ms: u64::try_from(text.sealed_at_unix_ms).map_err(|_| "sealedAt")?,
        mac: bytes_of(&text.mac).ok_or("mac")?,
    })
}

fn range(text: &SealedRangeView) -> Option<SealedRange> {
    Some(SealedRange {
        allocation_id: optional(text.allocation_id.as_deref(), |id| id.parse().ok())?,
        offset: text.offset.try_into().ok()?,
        bytes: text.bytes.try_into().ok()?,
    })
}

/// What is absent is right; what is there must be.
#[allow(
    clippy::option_option,
    reason = "the outer one says whether it is right, the inner one whether it is there"
)]
fn optional<T>(text: Option<&str>, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    text.map_or(Some(None), |text| parse(text).map(Some))
}

fn digest_of(text: &str) -> Option<digest::Blake3Digest> {
    bytes_of::<32>(text).map(Into::into)
}

/// So many bytes in lower-case hexadecimal digits.
fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digits = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    // A sign, or a capital: it would not be written like this.
    (hex(&bytes) == text).then_some(bytes)
}
