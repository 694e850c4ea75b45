//! A record's head: 160 bytes, the last 32 of which authenticate the others.
//!
//! | bytes | what |
//! |---|---|
//! | 0..16 | `model-loader/rec` |
//! | 16..20 | version of this form, little-endian |
//! | 20..48 | version of the program, padded with NUL |
//! | 48..80 | SHA-256 of the file |
//! | 80..112 | BLAKE3 of the file: the root of the tile values that follow the head |
//! | 112..120 | size of the file in bytes, little-endian |
//! | 120..128 | when it was verified, milliseconds since 1970, little-endian |
//! | 128..160 | HMAC-SHA256 of the bytes before |

use super::{Ignored, Reason};
use digest::{Blake3Digest, MAC_BYTES, MacKey, Sha256Digest};
use std::time::{Duration, SystemTime};

pub(super) const HEAD_BYTES: usize = SIGNED_BYTES + MAC_BYTES;

const SIGNED_BYTES: usize = 128;
const MAGIC: &[u8; 16] = b"model-loader/rec";
const VERSION: u32 = 1;
const PROGRAM_BYTES: usize = 28;

#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) sha256: Sha256Digest,
    pub(super) root: Blake3Digest,
    pub(super) size: u64,
    pub(super) made: SystemTime,
}

impl Head {
    pub(super) fn encode(&self, key: &MacKey) -> Vec<u8> {
        let mut program = env!("CARGO_PKG_VERSION").as_bytes().to_vec();
        program.resize(PROGRAM_BYTES, 0);
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&program);
        bytes.extend_from_slice(self.sha256.as_bytes());
        bytes.extend_from_slice(self.root.as_bytes());
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&milliseconds(self.made).to_le_bytes());
        let tag = key.tag(&bytes);
        bytes.extend_from_slice(&tag);
        bytes
    }

    /// Nothing but the form's version is looked at before the head is authentic.
    pub(super) fn decode(bytes: &[u8; HEAD_BYTES], key: &MacKey) -> Result<Self, Ignored> {
        let mut fields = Fields(bytes);
        let magic: [u8; 16] = fields.next()?;
        let version = u32::from_le_bytes(fields.next()?);
        if magic == *MAGIC && version != VERSION {
            return Err(Ignored::new(
                Reason::Version,
                format!("the record has form {version}, and this release reads form {VERSION}"),
            ));
        }
        let (signed, tag) = bytes.split_at(SIGNED_BYTES);
        if magic != *MAGIC || !key.verifies(signed, tag) {
            return Err(Ignored::new(
                Reason::Forged,
                "the record was not written with this key, or was changed",
            ));
        }
        let _program: [u8; PROGRAM_BYTES] = fields.next()?;
        Ok(Self {
            sha256: fields.next::<32>()?.into(),
            root: fields.next::<32>()?.into(),
            size: u64::from_le_bytes(fields.next()?),
            made: time(u64::from_le_bytes(fields.next()?)),
        })
    }
}

/// Since 1970.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// A time beyond the clock's range is as far from now as it can be.
pub(super) fn time(made_ms: u64) -> SystemTime {
    let since = Duration::from_millis(made_ms);
    SystemTime::UNIX_EPOCH
        .checked_add(since)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// What is left to read.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn next<const N: usize>(&mut self) -> Result<[u8; N], Ignored> {
        let (field, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| Ignored::new(Reason::Length, "the record is cut"))?;
        self.0 = rest;
        Ok(*field)
    }
}
