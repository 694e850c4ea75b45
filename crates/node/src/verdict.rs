//! A verdict as plain values: what was refused and why, or what was accepted.

use napi::bindgen_prelude::{BigInt, Error, Result};
use napi_derive::napi;

use crate::control::saturating;
use crate::model::{NativeGguf, NativeModel};
use crate::proving::{Proof, RecordNotes};
use crate::thread::Held;

#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct Verdict {
    pub refusal: Option<Refusal>,
    pub model: Option<NativeModel>,
    pub gguf: Option<NativeGguf>,
    pub facts: Option<Facts>,
    pub sha256: Option<String>,
    pub blake3: Option<String>,
    /// Why the guard is no better one.
    pub guard_shortfall: Option<String>,
    /// The file's own digest under fs-verity.
    pub verity_digest: Option<String>,
    /// Only of a file that was to be protected.
    pub protection: Option<Protection>,
    pub proof: Option<Proof>,
    pub records: Option<RecordNotes>,
}

/// How the protected file was found, and whether the kernel's digest was compared with one of our own.
#[napi(object, object_from_js = false)]
pub(crate) struct Protection {
    pub already: bool,
    pub compared: bool,
}

impl Held for Verdict {
    fn held_bytes(&self) -> i64 {
        self.gguf.as_ref().map_or(0, NativeGguf::held_bytes)
    }
}

#[napi(object, object_from_js = false)]
pub struct Refusal {
    pub code: &'static str,
    pub message: String,
    pub retriable: bool,
    pub offset: Option<i64>,
    pub field: Option<String>,
    pub expected: Option<String>,
    pub actual: Option<String>,
    pub sha256: Option<String>,
    pub facts: Option<Facts>,
    /// Which part of a split model, from 1.
    pub part: Option<u32>,
}

/// Which file it was.
#[napi(object, object_from_js = false)]
pub struct Facts {
    pub size_bytes: i64,
    pub dev: BigInt,
    pub ino: BigInt,
    pub links: i64,
}

impl From<&verify::FileFacts> for Facts {
    fn from(facts: &verify::FileFacts) -> Self {
        Self {
            size_bytes: saturating(facts.size),
            dev: facts.dev.into(),
            ino: facts.ino.into(),
            links: saturating(facts.nlink),
        }
    }
}

impl From<verify::Refusal> for Refusal {
    fn from(refusal: verify::Refusal) -> Self {
        Self {
            code: refusal.code.as_str(),
            message: refusal.message,
            retriable: refusal.retriable,
            offset: refusal.offset.map(saturating),
            field: refusal.field,
            expected: refusal.expected,
            actual: refusal.actual,
            sha256: refusal.sha256.map(|digest| digest.to_string()),
            facts: refusal.facts.as_ref().map(Facts::from),
            part: refusal.part,
        }
    }
}

impl From<verify::Refusal> for Verdict {
    fn from(refusal: verify::Refusal) -> Self {
        Self {
            records: Some((&refusal.records).into()),
            refusal: Some(refusal.into()),
            ..Self::default()
        }
    }
}

impl From<verify::Verified> for Verdict {
    fn from(verified: verify::Verified) -> Self {
        Self {
            gguf: Some(NativeGguf::new(verified.header())),
            facts: Some(verified.facts().into()),
            sha256: Some(verified.sha256().to_string()),
            blake3: verified.blake3().map(|root| root.to_string()),
            guard_shortfall: verified.guard_shortfall(),
            verity_digest: verified.verity_digest(),
            proof: Some(verified.proven_by().into()),
            records: Some(verified.records().into()),
            model: Some(NativeModel::new(verified)),
            ..Self::default()
        }
    }
}

impl From<verify::Protected> for Verdict {
    fn from(protected: verify::Protected) -> Self {
        Self {
            gguf: Some(NativeGguf::new(protected.header())),
            facts: Some(protected.facts().into()),
            sha256: Some(protected.sha256().to_string()),
            blake3: protected.tiles().map(|tiles| tiles.root().to_string()),
            verity_digest: Some(protected.verity_digest()),
            protection: Some(Protection {
                already: protected.was_protected(),
                compared: protected.digest_compared(),
            }),
            proof: Some(protected.proven_by().into()),
            records: Some(protected.records().into()),
            ..Self::default()
        }
    }
}

impl From<verify::VerifiedBytes> for Verdict {
    fn from(verified: verify::VerifiedBytes) -> Self {
        Self {
            gguf: Some(NativeGguf::new(verified.header())),
            sha256: Some(verified.sha256().to_string()),
            blake3: Some(verified.blake3().to_string()),
            ..Self::default()
        }
    }
}

impl From<verify::Inspected> for Verdict {
    fn from(inspected: verify::Inspected) -> Self {
        Self {
            gguf: Some(NativeGguf::new(&inspected.header)),
            facts: Some((&inspected.facts).into()),
            ..Self::default()
        }
    }
}

/// A file that is there, and was not read.
impl From<verify::FileFacts> for Verdict {
    fn from(facts: verify::FileFacts) -> Self {
        Self {
            facts: Some((&facts).into()),
            ..Self::default()
        }
    }
}

impl<T: Into<Self>> From<std::result::Result<T, verify::Refusal>> for Verdict {
    fn from(outcome: std::result::Result<T, verify::Refusal>) -> Self {
        match outcome {
            Ok(accepted) => accepted.into(),
            Err(refusal) => refusal.into(),
        }
    }
}

/// The digest that the caller promised.
pub(crate) fn expected_digest(hex: Option<&str>) -> Result<Option<digest::Sha256Digest>> {
    hex.map(digest::Sha256Digest::from_hex)
        .transpose()
        .map_err(|bad| Error::from_reason(format!("sha256: {bad}")))
}
