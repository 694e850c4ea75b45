//! A tie: a verified digest bound to something by which the kernel tells the same bytes again.
//!
//! 248 bytes, the last 32 of which authenticate the others.
//!
//! | bytes | what |
//! |---|---|
//! | 0..16 | `model-loader/tie` |
//! | 16..20 | version of this form, little-endian, as all numbers |
//! | 20..48 | version of the program, padded with NUL |
//! | 48..80 | SHA-256 of the file |
//! | 80..112 | BLAKE3 of the file, as in the record with its tile values |
//! | 112..120 | size of the file in bytes |
//! | 120..128 | when it was verified, milliseconds since 1970 |
//! | 128..136 | size of the header in bytes |
//! | 136..144 | how many findings all of the file gave |
//! | 144..152 | the anchor's kind |
//! | 152..216 | the anchor, padded with NUL |
//! | 216..248 | HMAC-SHA256 of the bytes before |

use super::head::{Fields, milliseconds, time};
use super::{Ignored, Reason};
use digest::{Blake3Digest, MAC_BYTES, MacKey, Sha256Digest};
use std::time::SystemTime;

pub(super) const TIE_BYTES: usize = SIGNED_BYTES + MAC_BYTES;

const SIGNED_BYTES: usize = 216;
const MAGIC: &[u8; 16] = b"model-loader/tie";
const VERSION: u32 = 1;
const PROGRAM_BYTES: usize = 28;
const ANCHOR_BYTES: usize = 64;

/// What the kernel says of a file, and says again only of the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The digest that it holds every page to: SHA-256, whatever the salt and the blocks.
    Verity(Sha256Digest),
    /// An inode on which nobody could write when this was read, and nobody can now.
    Inode(InodeFacts),
}

/// The inode's facts that change with its content, or with its being another inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InodeFacts {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    /// Told apart from an earlier file of the same number.
    pub(crate) generation: u64,
    pub(crate) btime_ns: i128,
    pub(crate) ctime_ns: i128,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tie {
    pub(crate) sha256: Sha256Digest,
    pub(crate) root: Blake3Digest,
    pub(crate) size: u64,
    pub(crate) made: SystemTime,
    pub(crate) header_bytes: u64,
    pub(crate) findings: u64,
    anchor: (u64, [u8; ANCHOR_BYTES]),
}

impl Anchor {
    /// What the tie's file is called, behind the digest.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Verity(_) => "verity",
            Self::Inode(_) => "inode",
        }
    }

    fn encoded(self) -> (u64, [u8; ANCHOR_BYTES]) {
        let mut bytes = Vec::with_capacity(ANCHOR_BYTES);
        let kind = match self {
            Self::Verity(digest) => {
                bytes.extend(digest.as_bytes());
                1
            }
            Self::Inode(facts) => {
                bytes.extend(facts.dev.to_le_bytes());
                bytes.extend(facts.ino.to_le_bytes());
                bytes.extend(facts.generation.to_le_bytes());
                bytes.extend(facts.btime_ns.to_le_bytes());
                bytes.extend(facts.ctime_ns.to_le_bytes());
                2
            }
        };
        bytes.resize(ANCHOR_BYTES, 0);
        (kind, bytes.try_into().unwrap_or([0; ANCHOR_BYTES]))
    }
}

impl Tie {
    pub(crate) fn new(
        (sha256, root): (Sha256Digest, Blake3Digest),
        size: u64,
        (header_bytes, findings): (u64, u64),
        anchor: Anchor,
    ) -> Self {
        Self {
            sha256,
            root,
            size,
            made: SystemTime::now(),
            header_bytes,
            findings,
            anchor: anchor.encoded(),
        }
    }

    pub(crate) fn binds(&self, anchor: Anchor) -> bool {
        self.anchor == anchor.encoded()
    }

    pub(super) fn encode(&self, key: &MacKey) -> Vec<u8> {
        let (kind, anchor) = &self.anchor;
        let mut bytes = Vec::with_capacity(TIE_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(program());
        bytes.extend(self.sha256.as_bytes());
        bytes.extend(self.root.as_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes.extend(milliseconds(self.made).to_le_bytes());
        bytes.extend(self.header_bytes.to_le_bytes());
        bytes.extend(self.findings.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(anchor);
        let tag = key.tag(&bytes);
        bytes.extend(tag);
        bytes
    }

    /// None for one that another release made: it may have found other things in the same bytes.
    pub(super) fn decode(bytes: &[u8; TIE_BYTES], key: &MacKey) -> Result<Option<Self>, Ignored> {
        let mut fields = Fields(bytes);
        let magic: [u8; 16] = fields.next()?;
        let version = u32::from_le_bytes(fields.next()?);
        let (signed, tag) = bytes.split_at(SIGNED_BYTES);
        if magic != *MAGIC || !key.verifies(signed, tag) {
            return Err(Ignored::new(
                Reason::Forged,
                "the tie was not written with this key, or was changed",
            ));
        }
        if version != VERSION || fields.next::<PROGRAM_BYTES>()? != program() {
            return Ok(None);
        }
        Ok(Some(Self {
            sha256: fields.next::<32>()?.into(),
            root: fields.next::<32>()?.into(),
            size: u64::from_le_bytes(fields.next()?),
            made: time(u64::from_le_bytes(fields.next()?)),
            header_bytes: u64::from_le_bytes(fields.next()?),
            findings: u64::from_le_bytes(fields.next()?),
            anchor: (u64::from_le_bytes(fields.next()?), fields.next()?),
        }))
    }
}

fn program() -> [u8; PROGRAM_BYTES] {
    let mut bytes = [0; PROGRAM_BYTES];
    let version = env!("CARGO_PKG_VERSION").bytes();
    bytes
        .iter_mut()
        .zip(version)
        .for_each(|(to, from)| *to = from);
    bytes
}
