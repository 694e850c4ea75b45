//! The stable codes of refusal.

/// What was wrong, as a code that never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The path leaves the root, or could not have stayed inside it.
    PathTraversal,
    /// There is no such file under the root.
    NotFound,
    /// The process may not open the file.
    PermissionDenied,
    /// The path names a folder, a FIFO, a socket or a device.
    NotRegularFile,
    /// The file is larger than the caller allows.
    TooLarge,
    /// The file was written, cut or extended while it was read.
    ChangedWhileRead,
    /// The file was changed after it was verified: its bytes are not handed out any more.
    ChangedAfterCheck,
    /// The caller cancelled.
    Aborted,
    /// The operating system failed.
    Io,
    /// The bytes do not have the expected digest.
    DigestMismatch,
    /// The guard that was demanded cannot be had.
    GuardUnavailable,
    /// This platform is not supported: no promise would hold here.
    PlatformUnsupported,
    /// A fault of this library, caught at its boundary.
    Internal,
    /// The bytes are not a GGUF model that can be accepted.
    Gguf(gguf::Code),
}

impl Code {
    /// The code as operators, records and metrics see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PathTraversal => "PATH_TRAVERSAL",
            Self::NotFound => "NOT_FOUND",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::NotRegularFile => "NOT_REGULAR_FILE",
            Self::TooLarge => "TOO_LARGE",
            Self::ChangedWhileRead => "CHANGED_WHILE_READ",
            Self::ChangedAfterCheck => "CHANGED_AFTER_CHECK",
            Self::Aborted => "ABORTED",
            Self::Io => "IO",
            Self::DigestMismatch => "DIGEST_MISMATCH",
            Self::GuardUnavailable => "GUARD_UNAVAILABLE",
            Self::PlatformUnsupported => "PLATFORM_UNSUPPORTED",
            Self::Internal => "INTERNAL",
            Self::Gguf(code) => code.as_str(),
        }
    }
}
