//! The seal record: what was sealed, where, when and under which policy, with a MAC.

use crate::{Access, BackendKind, Code, DeviceUuid, PciAddress, VramError};
use digest::Blake3Digest;
use std::fmt;
use zeroize::Zeroizing;

/// The version of the record's form and of what its MAC covers.
pub const SEAL_RECORD_VERSION: u32 = 1;

/// Separates this MAC from every other use of the same key, as BLAKE3's key derivation wants it:
/// hard-coded, unique, never from outside.
const MAC_CONTEXT: &str = "model-loader 2026-11-27 vram seal record MAC v1";

/// The key of this process's seals. Never leaves it, and is wiped when it is dropped.
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// A random key: seals are worth nothing once this process has ended.
    pub fn random() -> Result<Self, VramError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key)
            .map_err(|_| VramError::new(Code::Internal, "the system gave no randomness"))?;
        Ok(Self(key))
    }

    /// A key derived from a secret of the caller's, at least 32 bytes long to be worth its name:
    /// whoever has the secret can check the seals later.
    pub fn derive(secret: &[u8]) -> Self {
        let context = "model-loader 2026-11-27 vram seal key from a caller's secret v1";
        Self(Zeroizing::new(blake3::derive_key(context, secret)))
    }

    fn mac(&self, bytes: &[u8]) -> blake3::Hash {
        let key = Zeroizing::new(blake3::derive_key(MAC_CONTEXT, &*self.0));
        blake3::keyed_hash(&key, bytes)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

/// What was sealed. Fields may be read and shown; only [`SealRecord::check`] says whether they are
/// what this process sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealRecord {
    /// [`SEAL_RECORD_VERSION`].
    pub version: u32,
    /// The sealed model's own number: random, never used twice. The files of a split model share it.
    pub shard_id: [u8; 16],
    /// Which of the model's files this is, counted from 1, and how many there are.
    pub part: u32,
    /// See `part`; 1 for a model of one file.
    pub parts: u32,
    /// The interface.
    pub backend: BackendKind,
    /// The device.
    pub device: DeviceUuid,
    /// Where on the bus it sits.
    pub pci: Option<PciAddress>,
    /// The driver.
    pub driver: String,
    /// BLAKE3 of the kernels.
    pub kernel: Blake3Digest,
    /// The system's boot, where it says.
    pub boot_id: Option<String>,
    /// Where on the device the bytes lie, and how many there are.
    pub ranges: Vec<SealedRange>,
    /// The file's BLAKE3 digest, which is the root of the sealed tiles.
    pub root: Blake3Digest,
    /// The file's SHA-256, in hexadecimal.
    pub sha256: String,
    /// What the device may do to the memory.
    pub access: Access,
    /// BLAKE3 of the policy.
    pub policy: Blake3Digest,
    /// When, in milliseconds since 1970.
    pub sealed_at_unix_ms: u64,
    /// The MAC over all of it.
    pub mac: [u8; 32],
}

/// A run of sealed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedRange {
    /// The driver's number of the allocation, where it has one.
    pub allocation_id: Option<u64>,
    /// Where in the file it starts, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
}

impl SealRecord {
    /// The same record under the key's MAC.
    #[must_use]
    pub fn sealed(mut self, key: &SealKey) -> Self {
        self.mac = *key.mac(&self.canonical()).as_bytes();
        self
    }

    /// Whether the record is what the key's owner sealed.
    ///
    /// # Errors
    /// `VRAM_RECORD_INVALID`.
    pub fn check(&self, key: &SealKey) -> Result<(), VramError> {
        // blake3's comparison takes the same time wherever the difference lies.
        if key.mac(&self.canonical()) == blake3::Hash::from_bytes(self.mac) {
            return Ok(());
        }
        let message = "the seal record does not bear this key's seal: it was changed, or sealed under another key";
        Err(VramError::new(Code::RecordInvalid, message))
    }

    /// Every field with its length, so that no two records have the same bytes.
    fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        let mut put = |field: &[u8]| {
            bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
            bytes.extend_from_slice(field);
        };
        put(&self.version.to_le_bytes());
        put(&self.shard_id);
        put(&self.part.to_le_bytes());
        put(&self.parts.to_le_bytes());
        put(self.backend.as_str().as_bytes());
        put(self.device.as_bytes());
        put(self
            .pci
            .map_or(String::new(), |pci| pci.to_string())
            .as_bytes());
        put(self.driver.as_bytes());
        put(self.kernel.as_bytes());
        put(self.boot_id.as_deref().unwrap_or_default().as_bytes());
        put(&(self.ranges.len() as u64).to_le_bytes());
        for range in &self.ranges {
            put(&[u8::from(range.allocation_id.is_some())]);
            put(&range.allocation_id.unwrap_or(0).to_le_bytes());
            put(&range.offset.to_le_bytes());
            put(&range.bytes.to_le_bytes());
        }
        put(self.root.as_bytes());
        put(self.sha256.as_bytes());
        put(self.access.as_str().as_bytes());
        put(self.policy.as_bytes());
        put(&self.sealed_at_unix_ms.to_le_bytes());
        bytes
    }
}
