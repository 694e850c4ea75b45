//! What each tensor's bytes are: its BLAKE3 digest, as of a file of its own.
//!
//! Tensors start anywhere in a file, tiles only every 256 KiB: an engine's copy of a tensor has no tile of
//! the file in it. So the verified file is read once more, and each tile that is read is compared with its
//! verified value before a byte of it is believed.

use crate::{VramError, file_error};
use digest::{Blake3Digest, TILE_BYTES};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use verify::{Control, Verified};

/// What is read at once: whole tiles, so that none is checked twice but those that two tensors share.
const READ_BYTES: u64 = 4 * TILE_BYTES;

/// A tensor's digest, and how many bytes it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorDigest {
    /// Bytes of the tensor, without padding.
    pub bytes: u64,
    /// BLAKE3 of them.
    pub blake3: Blake3Digest,
}

/// Digests of a verified file's tensors, by name. Made once a file, used for every check of an engine's copy.
#[derive(Clone, Debug, Default)]
pub struct TensorDigests {
    digests: BTreeMap<String, TensorDigest>,
}

/// A tensor still to be digested.
struct Wanted {
    name: String,
    range: Range<u64>,
}

impl TensorDigests {
    /// Reads the tensors that `wanted` says yes to, on as many threads as there are processors.
    ///
    /// # Errors
    /// `VRAM_FILE_CHANGED`, or `VRAM_ABORTED`.
    pub fn read(
        verified: &Verified,
        wanted: impl Fn(&str) -> bool,
        control: &Control,
    ) -> Result<Self, VramError> {
        // A file that was proven without its tiles has them made now, once, before the threads ask for them.
        verified.tiles_at_last(control).map_err(file_error)?;
        let tensors = verified.header().tensors().map(|tensor| Wanted {
            name: String::from_utf8_lossy(tensor.name).into_owned(),
            range: tensor.offset..tensor.offset.saturating_add(tensor.bytes),
        });
        let list: Vec<Wanted> = tensors.filter(|tensor| wanted(&tensor.name)).collect();
        Ok(Self {
            digests: all(verified, &list, control)?,
        })
    }

    /// The digest of one tensor.
    pub fn of(&self, tensor: &str) -> Option<TensorDigest> {
        self.digests.get(tensor).copied()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, TensorDigest)> {
        let all = self.digests.iter();
        all.map(|(name, digest)| (name.as_str(), *digest))
    }
}

type Outcome = Result<BTreeMap<String, TensorDigest>, VramError>;

fn all(verified: &Verified, list: &[Wanted], control: &Control) -> Outcome {
    let next = AtomicUsize::new(0);
    let outcome: Mutex<Outcome> = Mutex::new(Ok(BTreeMap::new()));
    let work = || {
        while let Some(tensor) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
            let digest = digest_of(verified, &tensor.range, control);
            if !keep(&outcome, tensor, digest) {
                return;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 1..threads.min(list.len()) {
            // Without a second thread this one does it all.
            drop(thread::Builder::new().spawn_scoped(scope, work));
        }
        work();
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn digest_of(
    verified: &Verified,
    range: &Range<u64>,
    control: &Control,
) -> Result<Blake3Digest, VramError> {
    let mut hasher = blake3::Hasher::new();
    let mut at = range.start;
    while at < range.end {
        let end = (at / READ_BYTES + 1) * READ_BYTES;
        let end = end.min(range.end);
        hasher.update(&verified.read(at..end, control).map_err(file_error)?);
        at = end;
    }
    Ok((*hasher.finalize().as_bytes()).into())
}

/// Whether there is any use in going on.
fn keep(
    outcome: &Mutex<Outcome>,
    tensor: &Wanted,
    digest: Result<Blake3Digest, VramError>,
) -> bool {
    let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    match (&mut *outcome, digest) {
        (Err(_), _) => false,
        (Ok(digests), Ok(blake3)) => {
            let bytes = tensor.range.end - tensor.range.start;
            digests.insert(tensor.name.clone(), TensorDigest { bytes, blake3 });
            true
        }
        (found, Err(error)) => {
            *found = Err(error);
            false
        }
    }
}
