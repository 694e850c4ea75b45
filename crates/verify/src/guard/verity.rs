//! fs-verity: a digest that the kernel holds every page of a file to.

use crate::platform::VerityTrouble;
use crate::{Code, Refusal, platform, sys};
use digest::Sha256Digest;
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

/// Why a file is not, or cannot be, under fs-verity.
#[derive(Clone, Debug)]
pub(crate) struct Shortage {
    trouble: VerityTrouble,
    errno: Option<i32>,
    kind: u64,
}

/// Asks the kernel; the cost does not depend on the file's size.
pub(crate) fn measure(file: &File) -> Result<VerityDigest, Shortage> {
    let kind = trusted(file)?;
    let measure = sys::measure_verity(file).map_err(|errno| Shortage::of(errno, kind))?;
    let bytes = measure.digest.get(..usize::from(measure.length));
    Ok(VerityDigest {
        algorithm: measure.algorithm,
        bytes: bytes.unwrap_or_default().to_vec(),
    })
}

/// Has the kernel hold the file to its bytes as they are, for ever. It is no error that it does already.
pub(crate) fn enable(file: &File) -> Result<(), Shortage> {
    let kind = trusted(file)?;
    match sys::enable_verity(file).map_err(|errno| Shortage::of(errno, kind)) {
        Err(shortage) if shortage.trouble == VerityTrouble::Exists => Ok(()),
        answer => answer,
    }
}

/// Whether enabling could succeed: asked before gigabytes are read in vain.
pub(crate) fn could_enable(file: &File) -> Result<(), Shortage> {
    let kind = trusted(file)?;
    platform::may_write(file).map_err(|errno| Shortage::of(errno, kind))
}

/// Whether the digest was made in the only form that we make: then it can be compared with ours.
pub(crate) fn is_of_our_form(file: &File) -> bool {
    sys::verity_form(file).is_ok_and(|form| form == sys::VERITY_FORM)
}

fn trusted(file: &File) -> Result<u64, Shortage> {
    let kind = platform::file_system(file).map_err(|errno| Shortage::of(errno, 0))?;
    if TRUSTED.contains(&kind) {
        return Ok(kind);
    }
    Err(Shortage {
        trouble: VerityTrouble::Absent("fs-verity counts on ext4, btrfs and f2fs only"),
        errno: None,
        kind,
    })
}

impl VerityDigest {
    /// The 32 bytes of the one algorithm whose digests are tied to ours.
    pub(crate) fn sha256(&self) -> Option<Sha256Digest> {
        let bytes = <[u8; 32]>::try_from(self.bytes.as_slice()).ok()?;
        (self.algorithm == sys::VERITY_SHA256).then(|| bytes.into())
    }

    /// A digest that we computed ourselves.
    pub(crate) fn of(computed: Sha256Digest) -> Self {
        Self {
            algorithm: sys::VERITY_SHA256,
            bytes: computed.as_bytes().to_vec(),
        }
    }
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

impl Shortage {
    fn of(errno: i32, kind: u64) -> Self {
        Self {
            trouble: platform::verity_trouble(errno, kind),
            errno: Some(errno),
            kind,
        }
    }

    /// It is off, and could perhaps be turned on.
    pub(crate) fn is_off(&self) -> bool {
        self.trouble == VerityTrouble::Off
    }

    /// The refusal of a file that was to be protected.
    pub(crate) fn refusal(&self) -> Refusal {
        let code = match self.trouble {
            VerityTrouble::Denied(_) => Code::PermissionDenied,
            VerityTrouble::Failed => Code::Io,
            _ => Code::GuardUnavailable,
        };
        let absent = code == Code::GuardUnavailable;
        Refusal {
            expected: absent.then(|| "fs-verity".to_owned()),
            errno: self.errno,
            retriable: matches!(self.trouble, VerityTrouble::Busy(_))
                || self.errno.is_some_and(platform::passes_by_itself),
            ..Refusal::new(code, format!("the file cannot be protected: {self}"))
        }
    }
}

/// A sentence that says what to do.
impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.trouble {
            VerityTrouble::Off => "fs-verity is not on; model-loader protect turns it on",
            VerityTrouble::Exists => "fs-verity is on already",
            VerityTrouble::Absent(why) | VerityTrouble::Busy(why) | VerityTrouble::Denied(why) => {
                why
            }
            VerityTrouble::Failed => "fs-verity failed",
        })?;
        if let Some(errno) = self.errno {
            return write!(f, " ({})", platform::errno_text(errno));
        }
        let name = platform::file_system_name(self.kind);
        write!(f, ", and this is {name} (type {:#x})", self.kind)
    }
}
