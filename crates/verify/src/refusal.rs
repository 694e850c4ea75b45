//! A refusal: why a model was not accepted, as data.

use crate::{Code, FileFacts, RecordsReport, platform};
use digest::Sha256Digest;
use std::fmt;

/// Why a model was refused. Its texts hold no path outside the root and no content of the file,
/// except names that the GGUF parser has escaped and capped.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What is wrong and what to do, in a sentence.
    pub message: String,
    /// The byte of the file at which the refusal arose.
    pub offset: Option<u64>,
    /// The metadata key or tensor that the refusal is about.
    pub field: Option<String>,
    /// What was promised: a digest in lower-case hexadecimal, or the largest size in bytes.
    pub expected: Option<String>,
    /// What was found, in the form of `expected`.
    pub actual: Option<String>,
    /// The digest, whenever the whole file was hashed.
    pub sha256: Option<Sha256Digest>,
    /// The file's facts, once it was opened.
    pub facts: Option<FileFacts>,
    /// Whether the same call may succeed later although nobody repairs anything.
    pub retriable: bool,
    /// The operating system's error number.
    pub errno: Option<i32>,
    /// Which part of a split model it is about, from 1 as in the parts' names.
    pub part: Option<u32>,
    /// What became of the record of an earlier verification.
    pub records: RecordsReport,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            offset: None,
            field: None,
            expected: None,
            actual: None,
            sha256: None,
            facts: None,
            retriable: matches!(code, Code::ChangedWhileRead | Code::Aborted),
            errno: None,
            part: None,
            records: RecordsReport::default(),
        }
    }

    /// A failure of the operating system while it was `doing` something.
    pub(crate) fn io(doing: &str, errno: Option<i32>) -> Self {
        let reason = errno.map_or_else(|| "no reason given".to_owned(), platform::errno_text);
        Self {
            errno,
            retriable: errno.is_some_and(platform::passes_by_itself),
            ..Self::new(Code::Io, format!("{doing} failed: {reason}"))
        }
    }

    pub(crate) fn aborted() -> Self {
        Self::new(Code::Aborted, "the load was cancelled before a verdict")
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            Code::Internal,
            "a fault of the verifier stopped the load; nothing was accepted, please report it",
        )
    }

    pub(crate) fn with_errno(self, errno: i32) -> Self {
        Self {
            errno: Some(errno),
            ..self
        }
    }

    /// What was noticed of records before.
    pub(crate) fn with_notes(self, notes: &RecordsReport) -> Self {
        let records = self.records.with(notes);
        Self { records, ..self }
    }

    pub(crate) fn with_facts(self, facts: FileFacts) -> Self {
        Self {
            facts: Some(facts),
            ..self
        }
    }

    pub(crate) fn with_sha256(self, sha256: Sha256Digest) -> Self {
        Self {
            sha256: Some(sha256),
            ..self
        }
    }
}

impl From<gguf::GgufError> for Refusal {
    fn from(error: gguf::GgufError) -> Self {
        Self {
            offset: error.offset,
            field: error.field,
            ..Self::new(Code::Gguf(error.code), error.message)
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Refusal {}
