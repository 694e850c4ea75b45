//! Refusals: what the input did wrong, and where.

use std::fmt;

/// Why a file is refused. The text of [`Code::as_str`] never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The file is something else; the message says what.
    NotGguf,
    /// A GGUF version other than 2 and 3.
    UnsupportedVersion,
    /// A big-endian GGUF file.
    BigEndian,
    /// The file ends before what it promises.
    Truncated,
    /// A policy limit; the message names it.
    LimitExceeded,
    /// An empty key, or one with a control byte in it.
    BadKey,
    /// The same key twice.
    DuplicateKey,
    /// A metadata value type that does not exist.
    BadValueType,
    /// An array of arrays, or of a type that does not exist.
    BadArray,
    /// `general.alignment` is no u32, or no power of two.
    BadAlignment,
    /// A tensor name that is empty, too long, not UTF-8, or has a control byte in it.
    BadTensorName,
    /// The same tensor name twice.
    DuplicateTensor,
    /// Dimensions whose count, product or byte size is impossible.
    BadShape,
    /// A tensor type that does not exist, or no longer does.
    BadTensorType,
    /// A tensor that does not start where the one before it ends.
    BadTensorOffset,
    /// `split.*` keys that contradict themselves.
    BadSplit,
    /// Metadata that is known to abort or corrupt the engine that loads it.
    EngineUnsafe,
    /// A conformance finding, in strict mode.
    Nonconformant,
}

impl Code {
    /// Every code, for tables and metrics.
    pub const ALL: &[Self] = &[
        Self::NotGguf,
        Self::UnsupportedVersion,
        Self::BigEndian,
        Self::Truncated,
        Self::LimitExceeded,
        Self::BadKey,
        Self::DuplicateKey,
        Self::BadValueType,
        Self::BadArray,
        Self::BadAlignment,
        Self::BadTensorName,
        Self::DuplicateTensor,
        Self::BadShape,
        Self::BadTensorType,
        Self::BadTensorOffset,
        Self::BadSplit,
        Self::EngineUnsafe,
        Self::Nonconformant,
    ];

    /// The stable text of the code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotGguf => "GGUF_NOT_GGUF",
            Self::UnsupportedVersion => "GGUF_UNSUPPORTED_VERSION",
            Self::BigEndian => "GGUF_BIG_ENDIAN",
            Self::Truncated => "GGUF_TRUNCATED",
            Self::LimitExceeded => "GGUF_LIMIT_EXCEEDED",
            Self::BadKey => "GGUF_BAD_KEY",
            Self::DuplicateKey => "GGUF_DUPLICATE_KEY",
            Self::BadValueType => "GGUF_BAD_VALUE_TYPE",
            Self::BadArray => "GGUF_BAD_ARRAY",
            Self::BadAlignment => "GGUF_BAD_ALIGNMENT",
            Self::BadTensorName => "GGUF_BAD_TENSOR_NAME",
            Self::DuplicateTensor => "GGUF_DUPLICATE_TENSOR",
            Self::BadShape => "GGUF_BAD_SHAPE",
            Self::BadTensorType => "GGUF_BAD_TENSOR_TYPE",
            Self::BadTensorOffset => "GGUF_BAD_TENSOR_OFFSET",
            Self::BadSplit => "GGUF_BAD_SPLIT",
            Self::EngineUnsafe => "GGUF_ENGINE_UNSAFE",
            Self::Nonconformant => "GGUF_NONCONFORMANT",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufError {
    /// What was wrong, as a stable code.
    pub code: Code,
    /// Where: the byte offset in the file of the offending field.
    pub offset: Option<u64>,
    /// The key or tensor name concerned, escaped and capped.
    pub field: Option<String>,
    /// What is wrong and what to do, for people. File content in it is escaped and capped.
    pub message: String,
}

impl GgufError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            offset: None,
            field: None,
            message: message.into(),
        }
    }

    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    pub(crate) fn of(mut self, field: &[u8]) -> Self {
        self.field = Some(crate::text::escape(field));
        self
    }
}

impl fmt::Display for GgufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(field) = &self.field {
            write!(f, " [{field}]")?;
        }
        match self.offset {
            Some(offset) => write!(f, " (at byte {offset})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for GgufError {}
