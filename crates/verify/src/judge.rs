//! The judge: hashes and parses the bytes as they pass, then compares and decides.

use crate::block::Block;
use crate::pass::Consumer;
use crate::recall::LaterTiles;
use crate::ring::Failure;
use crate::{Code, FileFacts, RecordsReport, Refusal, Tiles};
use digest::{Blake3Digest, Sha256, Sha256Digest};
use gguf::{Header, Policy, Scanner};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

/// Takes every byte of one model.
pub(crate) struct Judge {
    sha256: Sha256,
    scanner: Scanner,
    expected: Option<Sha256Digest>,
}

impl Judge {
    pub(crate) fn new(bytes_total: u64, expected: Option<Sha256Digest>, policy: Policy) -> Self {
        Self {
            sha256: Sha256::new(),
            scanner: Scanner::new(bytes_total, policy),
            expected,
        }
    }

    pub(crate) fn expects_digest(&self) -> bool {
        self.expected.is_some()
    }

    /// To be called when all bytes were taken.
    pub(crate) fn hashed(self) -> Hashed {
        Hashed {
            sha256: self.sha256.finalize(),
            scanner: self.scanner,
            expected: self.expected,
        }
    }
}

impl Consumer for Judge {
    fn take(&mut self, block: &Block) {
        self.sha256.update(block.bytes());
        self.scanner.feed(block.bytes());
    }
}

/// Takes every byte of a model whose digest is proven elsewhere, and judges the format alone.
pub(crate) struct HeaderJudge(Scanner);

impl HeaderJudge {
    pub(crate) fn new(bytes_total: u64, policy: Policy) -> Self {
        Self(Scanner::new(bytes_total, policy))
    }

    pub(crate) fn verdict(self, sha256: Sha256Digest) -> Result<Arc<Header>, Refusal> {
        let header = self.0.finish();
        let header = header.map_err(|error| Refusal::from(error).with_sha256(sha256))?;
        Ok(Arc::new(header))
    }
}

impl Consumer for HeaderJudge {
    fn take(&mut self, block: &Block) {
        self.0.feed(block.bytes());
    }
}

/// A model whose digest is known and not yet judged.
pub(crate) struct Hashed {
    pub(crate) sha256: Sha256Digest,
    scanner: Scanner,
    expected: Option<Sha256Digest>,
}

/// What an accepted model is proven to be.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) sha256: Sha256Digest,
    pub(crate) header: Arc<Header>,
    pub(crate) tiles: Option<Tiles>,
    /// Where the values come from when they are wanted, of a model whose bytes were not read now.
    pub(crate) later: Option<LaterTiles>,
    pub(crate) by: ProvenBy,
    pub(crate) records: RecordsReport,
}

impl Proof {
    /// The tile values; read from their record now where they have not been needed before.
    pub(crate) fn tiles(&self) -> Option<&Tiles> {
        let later = || self.later.as_ref().and_then(LaterTiles::tiles);
        self.tiles.as_ref().or_else(later)
    }

    /// The root that the values make, without reading them.
    pub(crate) fn blake3(&self) -> Option<Blake3Digest> {
        let later = || self.later.as_ref().map(LaterTiles::root);
        self.tiles.as_ref().map(Tiles::root).or_else(later)
    }
}

/// What proves the digest of an accepted model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvenBy {
    /// The SHA-256 itself was computed from the bytes.
    Sha256,
    /// Every tile has the value that it had when the SHA-256 was computed, then.
    Tiles {
        /// When that was, by the record.
        recorded: SystemTime,
    },
    /// The kernel holds the file to the fs-verity digest of bytes that had it. None were read but the header's.
    FsVerity {
        /// When the digest was proven from the bytes, by the record.
        recorded: SystemTime,
    },
    /// It is the inode that had it, and nobody can have written to it since, root and the kernel aside. No bytes
    /// were read but the header's.
    Identity {
        /// When the digest was proven from the bytes, by the record.
        recorded: SystemTime,
    },
}

impl ProvenBy {
    /// The proof's name, as records and reports spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Tiles { .. } => "tiles",
            Self::FsVerity { .. } => "fs-verity",
            Self::Identity { .. } => "identity",
        }
    }

    /// When the digest was proven from the bytes, where that was not now.
    pub fn recorded(self) -> Option<SystemTime> {
        match self {
            Self::Sha256 => None,
            Self::Tiles { recorded }
            | Self::FsVerity { recorded }
            | Self::Identity { recorded } => Some(recorded),
        }
    }
}

impl Hashed {
    /// Bytes that were hashed and scanned elsewhere.
    pub(crate) fn of(
        sha256: Sha256Digest,
        scanner: Scanner,
        expected: Option<Sha256Digest>,
    ) -> Self {
        Self {
            sha256,
            scanner,
            expected,
        }
    }

    /// The digest alone.
    pub(crate) fn judge_digest(&self) -> Result<(), Refusal> {
        match self.expected {
            Some(expected) if expected != self.sha256 => Err(mismatch(expected, self.sha256)),
            _ => Ok(()),
        }
    }

    /// The digest is judged before the format: of bytes that nobody promised, the format says little.
    pub(crate) fn verdict(self) -> Result<Proof, Refusal> {
        self.judge_digest()?;
        let sha256 = self.sha256;
        Ok(Proof {
            sha256,
            header: HeaderJudge(self.scanner).verdict(sha256)?,
            tiles: None,
            later: None,
            by: ProvenBy::Sha256,
            records: RecordsReport::default(),
        })
    }
}

pub(crate) fn mismatch(expected: Sha256Digest, actual: Sha256Digest) -> Refusal {
    Refusal {
        expected: Some(expected.to_string()),
        actual: Some(actual.to_string()),
        sha256: Some(actual),
        ..Refusal::new(
            Code::DigestMismatch,
            "the bytes do not have the expected SHA-256; do not use them, fetch the model again",
        )
    }
}

/// Whether the file is still the one that was opened, as far as size and times can tell.
pub(crate) fn unchanged(before: &FileFacts, after: &FileFacts) -> Result<(), Refusal> {
    match after.change_since(before) {
        None => Ok(()),
        Some(change) => Err(Refusal::new(
            Code::ChangedWhileRead,
            format!("the file changed while it was read: {change}"),
        )),
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Aborted => Self::aborted(),
            Failure::Short { offset } => Self {
                offset: Some(offset),
                ..Self::new(
                    Code::ChangedWhileRead,
                    format!("the bytes ended at {offset}, before the size that they began with"),
                )
            },
            Failure::Read { offset, errno } => Self {
                offset: Some(offset),
                ..Self::io("reading the file", errno)
            },
            Failure::WrongTile { offset } => Self {
                offset: Some(offset),
                ..Self::new(
                    Code::DigestMismatch,
                    "the bytes here differ from those that had the expected SHA-256 when it was last proven; do not \
                     use them, fetch the model again",
                )
            },
            Failure::Start { errno } => Self::io("starting a reading thread", errno),
            Failure::Panicked => Self::internal(),
        }
    }
}

/// Runs a whole load; a panic in it, which is our own fault, becomes a refusal.
pub(crate) fn guarded<T>(load: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| Err(Refusal::internal()))
}
