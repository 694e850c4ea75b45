//! How a digest is to be proven, and how it was: plain values in both directions.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use napi::bindgen_prelude::{Error, Result, Uint8Array};
use napi_derive::napi;
use verify::{ProvenBy, RecordsReport};

use crate::control::saturating;

#[napi(object, object_to_js = false)]
pub struct Proving {
    pub records: Option<Records>,
    pub flat_always: bool,
    /// Absent: as many as may run at once.
    pub threads: Option<u32>,
}

#[napi(object, object_to_js = false)]
pub struct Records {
    pub folder: Uint8Array,
    /// 32 bytes.
    pub key: Uint8Array,
    pub max_age_ms: Option<i64>,
    /// Believe an inode that nobody can have written to.
    pub identity: bool,
}

impl TryFrom<Proving> for verify::Proving {
    type Error = Error;

    fn try_from(given: Proving) -> Result<Self> {
        Ok(Self {
            tiles: true,
            identity: given.records.as_ref().is_some_and(|it| it.identity),
            records: given.records.map(TryInto::try_into).transpose()?,
            flat_always: given.flat_always,
            threads: given.threads.map_or(0, |threads| threads as usize),
        })
    }
}

impl TryFrom<Records> for verify::Records {
    type Error = Error;

    fn try_from(given: Records) -> Result<Self> {
        let key = <[u8; 32]>::try_from(&*given.key);
        let key = key.map_err(|_| Error::from_reason("a record key has 32 bytes"))?;
        // An age that is negative cannot come from our own JavaScript; from elsewhere it must not widen anything.
        let age = |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Ok(Self {
            folder: Path::new(std::ffi::OsStr::from_bytes(&given.folder)).to_owned(),
            key: key.into(),
            age_max: given.max_age_ms.map(age),
        })
    }
}

/// What proves the digest of an accepted model.
#[napi(object, object_from_js = false)]
pub(crate) struct Proof {
    pub by: &'static str,
    /// When the SHA-256 itself was computed, in milliseconds since 1970; absent where it was now.
    pub recorded_ms: Option<i64>,
}

impl From<ProvenBy> for Proof {
    fn from(by: ProvenBy) -> Self {
        Self {
            by: by.as_str(),
            recorded_ms: by.recorded().map(milliseconds),
        }
    }
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        saturating(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    })
}

/// What became of records.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct RecordNotes {
    pub ignored_reason: Option<&'static str>,
    pub ignored_message: Option<String>,
    pub stored: bool,
    pub store_failure: Option<String>,
}

impl From<&RecordsReport> for RecordNotes {
    fn from(report: &RecordsReport) -> Self {
        let ignored = report.ignored.as_ref();
        Self {
            ignored_reason: ignored.map(|ignored| ignored.reason.as_str()),
            ignored_message: ignored.map(|ignored| ignored.message.clone()),
            stored: matches!(report.stored, Some(Ok(()))),
            store_failure: report.stored.clone().and_then(std::result::Result::err),
        }
    }
}
