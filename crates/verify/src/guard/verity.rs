//! fs-verity: a digest that the kernel holds every page of a file to.

use crate::{platform, sys};
use std::fmt;
use std::fs::File;

/// File systems whose own code answers for the digest. On FUSE a server does, which may lie.
const TRUSTED: [u64; 3] = [0xEF53, 0x9123_683E, 0xF2F5_2010];

/// The digest of a file's fs-verity descriptor, as the kernel measured it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerityDigest {
    algorithm: u16,
    bytes: Vec<u8>,
}

/// Asks the kernel; the cost does not depend on the file's size.
pub(crate) fn measure(file: &File) -> Result<VerityDigest, String> {
    let none = |errno| format!("fs-verity is not on ({})", platform::errno_text(errno));
    let measure = sys::measure_verity(file).map_err(none)?;
    let kind = platform::file_system(file).map_err(none)?;
    if !TRUSTED.contains(&kind) {
        let name = platform::file_system_name(kind);
        return Err(format!("fs-verity says nothing on {name} (type {kind:#x})"));
    }
    let bytes = measure.digest.get(..usize::from(measure.length));
    Ok(VerityDigest {
        algorithm: measure.algorithm,
        bytes: bytes.unwrap_or_default().to_vec(),
    })
}

impl fmt::Display for VerityDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.algorithm {
            sys::VERITY_SHA256 => f.write_str("sha256:")?,
            2 => f.write_str("sha512:")?,
            other => write!(f, "{other}:")?,
        }
        self.bytes
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
